"""Reports on recordings, one module per format.

================  ================================================================
module            contents
================  ================================================================
text_report       the report for a terminal, composed of
text_findings     the findings and
text_tables       the tables of acquisitions, and
wait_tables       those of waits for other things and of stalls
markdown_report   the report for a pull request
json_report       the report for programs, see ``docs/report-json.md``, composed of
wait_json         waits for other things and stalls, and
json_values       tasks, resources, sites and statistics
comparison_text   the comparison of two recordings for a terminal
comparison_json   the same for programs
extent            how many findings and rows are shown
charges           who kept whom waiting, as table rows
labels            names, sites and times of the traced program, safe to print
rich_tables       Rich tables rendered to a string
loading           a recording read into a timeline, whole or between two times
deadlocks         a growing recording watched for deadlocks
================  ================================================================
"""
