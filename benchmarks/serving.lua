-- Asks for the recommendations of readers drawn at random and counts the answers by status; see serving_load.py.
local threads = {}

function setup(thread)
  thread:set("number", #threads + 1)
  table.insert(threads, thread)
end

function init(arguments)
  users = tonumber(arguments[1])
  ok, busy, other = 0, 0, 0
  math.randomseed(os.time() * 100 + number)
end

function request()
  return wrk.format("GET", string.format("/v1/users/u%07d/recommendations", math.random(1, users)))
end

function response(status)
  if status == 200 then ok = ok + 1 elseif status == 503 then busy = busy + 1 else other = other + 1 end
end

function done(summary, latency)
  local count = {ok = 0, busy = 0, other = 0}
  for _, thread in ipairs(threads) do
    for name in pairs(count) do count[name] = count[name] + thread:get(name) end
  end
  local e = summary.errors
  io.write(string.format(
    '\n{"seconds": %f, "ok": %d, "busy": %d, "other": %d, "broken": %d, "p50": %f, "p95": %f, "p99": %f}\n',
    summary.duration / 1e6, count.ok, count.busy, count.other, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
