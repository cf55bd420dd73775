-- One call as the OpenAI SDK makes it, again and again; at the end, one line of JSON for us.
wrk.method = "POST"
wrk.body = [[$body]]
$headers
function done(summary, latency)
   local wrong = summary.errors
   io.write(string.format(
      '{"calls":%d,"microseconds":%d,"p50":%.1f,"p99":%.1f,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      wrong.connect, wrong.read, wrong.write, wrong.timeout, wrong.status))
end
