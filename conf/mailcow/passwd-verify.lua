-- In place of mailcow's /etc/dovecot/auth/passwd-verify.lua: logins are mailpassd's to answer, except those of SOGo.
--
-- SOGo opens mailboxes with a password of its own, which mailcow's PHP alone knows, and with passwords of ActiveSync
-- and CalDAV users, which that PHP has just let in. All come from SOGo's address; for them mailcow's own file, as it
-- is in this mailcow, goes on being asked. docs/mailcow.md

-- IPV4_NETWORK of mailcow.conf, followed by .248.
local SOGO = "172.22.1.248"
local MAILPASSD = "/etc/mailpassd/mailpassd.lua"
local MAILCOW = "/etc/mailpassd/passwd-verify-mailcow.lua"

-- Both files define the functions that Dovecot calls: each has a table of globals of its own.
local function run(path)
  local globals = setmetatable({}, { __index = _G })
  assert(loadfile(path, "t", globals))()
  return globals
end

local mailpassd, mailcow = run(MAILPASSD), run(MAILCOW)

function script_init()
  -- Not by way of _G, where this very function is.
  local init = rawget(mailcow, "script_init")
  if init ~= nil then init() end
  return mailpassd.script_init()
end

-- The address that really connected (haproxy tells another one), as mailcow judges it.
local function from_sogo(req)
  return (req.real_rip or req.remote_ip) == SOGO
end

function auth_password_verify(req, password)
  local which = from_sogo(req) and mailcow or mailpassd
  return which.auth_password_verify(req, password)
end

function auth_passdb_lookup(req)
  return mailpassd.auth_passdb_lookup(req)
end
