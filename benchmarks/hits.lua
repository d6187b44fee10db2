-- A script for wrk. It requests the breakdown of each user in turn and checks the status and body of every answer.
-- Arguments after `--`: a file with one access token per line; the expected body. The last output line is JSON.
local threads = {}
local requests, number = {}, 0

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  expected, wrong = arguments[2], 0
  for token in io.lines(arguments[1]) do
    table.insert(requests, wrk.format(nil, nil, {Host = wrk.headers["Host"], Authorization = "Bearer " .. token}))
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end

function response(status, _, body)
  if status ~= 200 or body ~= expected then
    wrong = wrong + 1
  end
end

function done(summary, latency)
  local all_wrong, errors = 0, summary.errors
  for _, thread in ipairs(threads) do
    all_wrong = all_wrong + thread:get("wrong")
  end
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "bytes": %d, "wrong": %d, "failed": %d, "p50": %.6f, "p99": %.6f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, all_wrong,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
