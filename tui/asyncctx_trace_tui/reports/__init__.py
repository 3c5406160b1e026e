"""What a recording tells, one file a format.

================  =====================================================
room              what it is
================  =====================================================
text              the report for people at a terminal, by its sections:
text_findings     the findings
text_tables       the tables
extent            how much of everything is shown
charges           who kept whom waiting, in rows
markdown          the report for a pull request
json_format       the report for programs; ``docs/report-json.md``
comparison        two recordings side by side, for people
comparison_json   the same for programs
tables            tables drawn to a string
names             names, sites and moments of the program, safe to show
deadlocks         a growing recording watched for deadlocks
================  =====================================================
"""
