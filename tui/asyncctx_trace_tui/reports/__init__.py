"""What a recording tells, one file a format.

================  =====================================================
room              what it is
================  =====================================================
text              the report for people at a terminal
markdown          the report for a pull request
json_format       the report for programs; ``docs/report-json.md``
comparison        two recordings side by side, for people
comparison_json   the same for programs
tables            tables drawn to a string
names             names and places of the program, safe to show
deadlocks         a growing recording watched for deadlocks
================  =====================================================
"""
