"""The controller: fetches, plans and applies again and again, and decides only what policy lets it decide unasked.

Each turn goes by what is, and remembers nothing that it needs: a controller that was killed goes on where it was, and
two of them do nothing twice.
"""
