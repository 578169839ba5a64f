"""The controller: fetch, plan and apply again and again, with the decisions that the limits allow without approval.

Each iteration decides from the current state: a controller that was killed resumes, and two of them do nothing twice.
"""
