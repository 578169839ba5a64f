"""What is asked of GitHub's REST API: pull requests, their comments, reviews and reports, and issues of drift.

The commands of `mlgit github` are its only users. They read no file of the repository: what they are told comes from
the environment of a workflow, from a folder that a command of `mlgit ci` has written, and from the API. What the
workflow run of a stranger has uploaded is hostile (`artifacts`, `archive`).
"""
