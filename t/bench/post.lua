-- Copyright (C) nginx-ai-route contributors
--
-- wrk: one fixed POST, its body from the file that BODY names.  The last
-- line is for t/tools/bench.

local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-client"

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT requests=%d us=%d bad=%d p50=%d p99=%d\n",
    summary.requests, summary.duration,
    e.status + e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
