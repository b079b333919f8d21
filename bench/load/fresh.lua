-- Requests a token and then uses it once. Arguments: path, Authorization and body of the request for
-- a token, and "use" or "leave". The next free connection uses the URL of a token.
local issue
local use
local fresh = {}

function init(args)
  local headers = { ["Authorization"] = args[2], ["Content-Type"] = "application/json" }
  issue = wrk.format("POST", args[1], headers, args[3])
  use = args[4] == "use"
  -- Defined only if needed: wrk passes each body to this function, which takes time.
  if use then response = keep end
end

function request()
  local url = table.remove(fresh)
  if url then return wrk.format("GET", url) end
  return issue
end

function keep(status, _, body)
  if status == 201 then fresh[#fresh + 1] = body:match('"url": ?"([^"]+)"') end
end
