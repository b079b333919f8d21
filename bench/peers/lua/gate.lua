-- access_by_lua: reads the token's path from Redis, over a pooled connection. With a shared dictionary, each path is
-- reused for two seconds, as by Postern's decision cache.
local arg_token, path = ngx.var.arg_token, ngx.var.uri
if not arg_token or not arg_token:find("^[%w_-]+$") then
    return ngx.exit(ngx.HTTP_UNAUTHORIZED)
end

local function ask(key)
    local redis = ngx.socket.tcp()
    redis:settimeouts(1000, 250, 250)
    local ok, err = redis:connect("127.0.0.1", tonumber(ngx.var.bench_redis_port))
    if not ok then return nil, err end
    ok, err = redis:send("*2\r\n$3\r\nGET\r\n$" .. #key .. "\r\n" .. key .. "\r\n")
    if not ok then return nil, err end
    local head
    head, err = redis:receive("*l")
    if not head then return nil, err end
    local size = tonumber(head:match("^%$(-?%d+)$"))
    if not size then return nil, head end
    local value = ""
    if size >= 0 then
        value, err = redis:receive(size + 2)
        if not value then return nil, err end
        value = value:sub(1, size)
    end
    -- The same number as for the other systems (KEEPALIVE in backend.ts).
    redis:setkeepalive(10000, 256)
    return value
end

local cache, err = ngx.shared.bench_tokens
local granted = cache and cache:get(arg_token)
if not granted then
    granted, err = ask("token:" .. arg_token)
    if cache and granted then cache:set(arg_token, granted, 2) end
end
if not granted then
    ngx.log(ngx.ERR, "Redis: ", err)
    return ngx.exit(ngx.HTTP_SERVICE_UNAVAILABLE)
end
if granted == "" then
    return ngx.exit(ngx.HTTP_UNAUTHORIZED)
end
if granted ~= path then
    return ngx.exit(ngx.HTTP_FORBIDDEN)
end
return ngx.exec("/protected/" .. path:sub(#"/download/" + 1))
