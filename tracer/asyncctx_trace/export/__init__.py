"""Recordings -> other tools' formats, and what other tools wrote -> facts.

==============  =================================================================
room            what it is
==============  =================================================================
span            a span as every format of spans needs it
surroundings    what is around the acquisitions of a recording
spans           facts -> spans, under ids that are the same every time
single          one acquisition -> its spans
sources         whatever can be read as a timeline: recordings, OTLP JSON Lines
otlp_json       spans <-> OTLP JSON Lines
facts           spans -> facts
jaeger          spans -> the JSON that Jaeger's UI opens
perfetto        facts -> the trace events that Perfetto's UI opens
html            facts -> one page for a browser
otlp_protobuf   spans -> the messages that OTLP endpoints take
endpoint        where to send to, as the user and OTEL_EXPORTER_OTLP_* say
sender          delivers spans, and accounts for each of them
stream          sends a recording that still grows
jaeger_query    asks a running Jaeger for its traces
==============  =================================================================
"""
