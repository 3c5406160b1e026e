"""Results of analysis as the views need them: answers, tables, marks of faults."""
