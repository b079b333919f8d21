-- Asks for a token and then uses it, once. Arguments: the path, the Authorization and the body with
-- which one is asked for, and "use" or "leave". A token's URL is used by whichever connection is free.
local issue
local use
local fresh = {}

function init(args)
  local headers = { ["Authorization"] = args[2], ["Content-Type"] = "application/json" }
  issue = wrk.format("POST", args[1], headers, args[3])
  use = args[4] == "use"
  -- wrk hands over every body where there is such a function, which takes time.
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
