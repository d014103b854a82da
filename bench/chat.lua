-- wrk: chat completion requests with a prompt of some 400 characters that differs each time.
-- From the environment: KEY, MODEL, and STREAM=1 for streams; or TARGET, a path to GET instead.
local model = os.getenv("MODEL") or "mock"
local stream = os.getenv("STREAM") == "1" and ',"stream":true,"stream_options":{"include_usage":true}' or ""
local prompt = string.rep("How does a binary search tree stay in balance? ", 8)
local sent = 0

wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer " .. (os.getenv("KEY") or "none")

request = function()
  sent = sent + 1
  return wrk.format(nil, "/v1/chat/completions", nil,
    '{"model":"' .. model .. '","max_tokens":128,"messages":[{"role":"system","content":"You are a tutor."},'
    .. '{"role":"user","content":"' .. prompt .. sent .. '"}]' .. stream .. '}')
end

if os.getenv("TARGET") then
  request = function() return wrk.format("GET", os.getenv("TARGET")) end
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('RESULT {"requests":%d,"rps":%.1f,"p50":%.3f,"p99":%.3f,"bad":%d}\n',
    summary.requests, summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
