"""Facts -> OpenTelemetry spans and metrics, in the user's own process.

===========  ====================================================================
room         what it is
===========  ====================================================================
conventions  every name that a span or a metric of ours bears
attributes   what spans say of an acquisition
clock        turns the monotonic clock into the time of day
current      the context that is current, by the shortest way
live         one acquisition on its way to becoming spans
body         the span that is current inside the body
tracing      what it takes to make the spans of an acquisition
late         made when somebody looks, or when all is over: the SDK's
prompt       made on the task: anybody else's
provider     which of these ways a TracerProvider allows
emitter      the sink: does on the task what only the task can do
worker       does everything else, off the task
builder      a finished acquisition as four spans
words        what each of them says
finished     the same, put into words when somebody reads them
handover     gives those to processors that do not watch spans start
otlp         has the OTLP exporter encode once what they have in common
contention   who held a resource while others waited for it
metrics      durations and queues as measurements
===========  ====================================================================

On the task an acquisition makes the body's span current, and that is all. The sampler is asked and
ids are taken when somebody wants to know; span objects, attributes, links and processors are the
worker's business, once it is over.
"""
