-- In place of mailcow's /etc/dovecot/auth/passwd-verify.lua: every login is mailpassd's to answer.
--
-- SOGo opens mailboxes with a password of its own, and with those of ActiveSync, CalDAV and webmail users, for whom no
-- IMAP flag counts. All come from SOGo's address, and are asked for by mailpassd's mailcow-compatible route, which
-- knows these rules (docs/services.md); all others by /v1/login.

-- IPV4_NETWORK of mailcow.conf, followed by .248; the same in compat.sogo_networks of mailpassd.toml.
local SOGO = "172.22.1.248"
local MAILPASSD = "/etc/mailpassd/mailpassd.lua"

local json = require "cjson.safe"

-- Its functions have the names of those below: it has a table of globals of its own.
local mailpassd = setmetatable({}, { __index = _G })
assert(loadfile(MAILPASSD, "t", mailpassd))()

function script_init()
  return mailpassd.script_init()
end

local function is_set(value)
  return value ~= nil and value ~= ""
end

-- The address that really connected (haproxy tells another one), as mailcow judges it.
local function address_of(req)
  return req.real_rip or req.remote_ip
end

local function verify_for_sogo(req, password)
  local body = json.encode {
    username = req.user,
    password = password,
    real_rip = address_of(req),
    service = req.service,
  }
  if body == nil then return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "request cannot be encoded" end
  local status, answer = mailpassd.ask("POST", "/", body)
  local success = answer and answer.success
  if status == 200 and success == true then return dovecot.auth.PASSDB_RESULT_OK, {} end
  -- Without `success` a refusal is not about the login, but about our token.
  if status == 401 and success == false then
    return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "password mismatch"
  end
  return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "temporary failure, status " .. status
end

function auth_password_verify(req, password)
  -- Those that look like a master user's are refused there.
  if address_of(req) ~= SOGO or is_set(req.master_user) or is_set(req.login_user) then
    return mailpassd.auth_password_verify(req, password)
  end
  return verify_for_sogo(req, password)
end

function auth_passdb_lookup(req)
  return mailpassd.auth_passdb_lookup(req)
end
