-- Has wrk print one line of JSON: how many answers there were, how long they took, and, with
-- COUNT_TIMING in the environment, how many of them lack the header Server-Timing.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

answered, lacking = 0, 0

if os.getenv("COUNT_TIMING") then
  function response(status, headers, body)
    answered = answered + 1
    local timing = headers["Server-Timing"]
    if not (timing and timing:find("^gil;dur=%d+%.%d+;")) then
      lacking = lacking + 1
    end
  end
end

function done(summary, latency, requests)
  local looked, without = 0, 0
  for _, thread in ipairs(threads) do
    looked = looked + thread:get("answered")
    without = without + thread:get("lacking")
  end
  local errors = summary.errors
  local wrong = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local told = '{"answers": %d, "seconds": %.6f, "wrong": %d, "looked_at": %d, "lacking": %d, '
    .. '"p50_us": %.1f, "p99_us": %.1f}\n'
  io.write(string.format(told, summary.requests, summary.duration / 1e6, wrong, looked, without,
    latency:percentile(50), latency:percentile(99)))
end
