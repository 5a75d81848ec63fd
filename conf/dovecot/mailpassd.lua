-- mailpassd as Dovecot's passdb and userdb: one file for Dovecot 2.3 (2.3.19 or newer) and 2.4.
-- Needs Debian's lua-cjson (or any cjson for the Lua that Dovecot was built with).
--
-- On 2.3 the two settings below are edited here. On 2.4 `lua_settings { url = … token_file = … }` wins.
local URL = "http://127.0.0.1:8143"
-- One line with a token that has the scope "login"; readable for Dovecot's auth workers alone.
local TOKEN_FILE = "/etc/dovecot/mailpassd.token"

local json = require "cjson.safe"

local http, url, token_file, authorization
-- 2.4 hands a table of settings to script_init, 2.3 nothing.
local is_24 = false

-- Every text handed back ends up in Dovecot's log: constants only, never a name, a password or a body.
local PASSDB = {
  password_mismatch = { dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "password mismatch" },
  -- Not USER_UNKNOWN: Dovecot would remember it and lock out whoever gets a mailbox a minute later.
  user_unknown = { dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "password mismatch" },
  user_disabled = { dovecot.auth.PASSDB_RESULT_USER_DISABLED, "user disabled" },
  service_denied = { dovecot.auth.PASSDB_RESULT_USER_DISABLED, "service denied" },
  pass_expired = { dovecot.auth.PASSDB_RESULT_PASS_EXPIRED, "password expired" },
}

local function read_token(path)
  local file = io.open(path, "r")
  if file == nil then return nil end
  local token = file:read("*l")
  file:close()
  if token == nil then return nil end
  return (token:gsub("%s+$", ""))
end

function script_init(settings)
  url, token_file = URL, TOKEN_FILE
  -- The daemon answers within 8 s. Two attempts: a connection kept alive may have been closed by a restart. Dovecot
  -- would also wait out a 503's Retry-After (2 s or more) and ask again, and keep the worker from others meanwhile;
  -- the mail program comes again by itself.
  if settings == nil then
    http = dovecot.http.client {
      connect_timeout_msecs = 1000,
      request_timeout_msecs = 9000,
      request_absolute_timeout_msecs = 10000,
      max_idle_time_msecs = 30000,
      max_attempts = 2,
      max_auto_retry_delay_secs = 1,
      max_connect_attempts = 1,
    }
  else
    is_24 = true
    url = settings.url or url
    token_file = settings.token_file or token_file
    http = dovecot.http.client {
      connect_timeout = "1s",
      request_timeout = "9s",
      request_absolute_timeout = "10s",
      max_idle_time = "30s",
      request_max_attempts = "2",
      max_auto_retry_delay = "1s",
      max_connect_attempts = "1",
    }
  end
  -- Not fatal, and not logged here: Dovecot also runs this in its auth process, which may not read the file and
  -- never asks, and would restart failing workers over and over. Without a token every login fails temporarily.
  local token = read_token(token_file)
  if token ~= nil and token ~= "" then authorization = "Bearer " .. token end
  return 0
end

-- Sends one request; gives the status and the decoded body, or nil where it is no JSON object. Not local: the file of
-- conf/mailcow asks by it, too.
function ask(method, path, body)
  if authorization == nil then
    dovecot.i_error("mailpassd: cannot read a token from " .. token_file)
    return 0, nil
  end
  local request = http:request { url = url .. path, method = method }
  request:add_header("Authorization", authorization)
  if body ~= nil then
    request:add_header("Content-Type", "application/json")
    request:set_payload(body)
  end
  local response = request:submit()
  -- Failures of the transport are statuses from 9000 on.
  local status = response:status()
  if status >= 600 then return status, nil end
  local answer = json.decode(response:payload() or "")
  if type(answer) ~= "table" then return status, nil end
  return status, answer
end

local function text(value)
  if value == nil or value == "" then return nil end
  return tostring(value)
end

function auth_password_verify(req, password)
  -- A master user's password must never open somebody else's mailbox.
  if text(req.master_user) ~= nil or text(req.login_user) ~= nil then
    return PASSDB.password_mismatch[1], "master users are refused"
  end
  -- cjson passes bytes through that are no UTF-8; the daemon takes them as they are.
  local body = json.encode {
    username = req.user,
    password = password,
    service = text(req.protocol) or text(req.service) or "",
    remote_ip = text(req.remote_ip),
    local_ip = text(req.local_ip),
    tls = text(req.secured) ~= nil,
    session = text(req.session),
    mechanism = text(req.mechanism),
  }
  if body == nil then return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "request cannot be encoded" end

  local status, answer = ask("POST", "/v1/login", body)
  local verdict = answer and answer.verdict
  if status == 200 and verdict == "ok" and type(answer.mailbox) == "string" then
    return dovecot.auth.PASSDB_RESULT_OK, { user = answer.mailbox }
  end
  -- The body decides, not the status: a 401 or 403 without a verdict means that our token was refused.
  local refusal = PASSDB[verdict]
  -- No password was matched: told apart from a mismatch, it would tell a stranger that the name exists.
  if verdict == "user_disabled" and answer.credential == nil then refusal = PASSDB.password_mismatch end
  if refusal ~= nil and (status == 401 or status == 403) then return refusal[1], refusal[2] end
  return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "temporary failure, status " .. status
end

-- Asked for credentials instead of a comparison: doveadm auth lookup, LMTP and other proxying, CRAM-MD5. No hash
-- ever leaves mailpassd.
function auth_passdb_lookup(req)
  return dovecot.auth.PASSDB_RESULT_SCHEME_NOT_AVAILABLE, "mailpassd gives no credentials away"
end

-- RFC 3986 §2.3: all but unreserved characters are escaped.
local function escape(name)
  return (name:gsub("[^A-Za-z0-9._~-]", function(char) return string.format("%%%02X", string.byte(char)) end))
end

function auth_userdb_lookup(req)
  local status, entry = ask("GET", "/v1/userdb/" .. escape(req.user))
  -- Any other 404 comes from a proxy or a wrong URL: LMTP would bounce mail for it.
  if status == 404 and entry ~= nil and type(entry.error) == "table" and entry.error.code == "no_mailbox" then
    return dovecot.auth.USERDB_RESULT_USER_UNKNOWN, "user unknown"
  end
  if status ~= 200 or entry == nil or type(entry.home) ~= "string" or type(entry.mail) ~= "string" then
    return dovecot.auth.USERDB_RESULT_INTERNAL_FAILURE, "temporary failure, status " .. status
  end
  local fields = { user = entry.user, uid = entry.uid, gid = entry.gid, home = entry.home }
  local bytes = tonumber(entry.quota_bytes) or 0
  if is_24 then
    local driver, path = entry.mail:match("^(%w+):([^:]*)")
    fields.mail_driver = driver
    fields.mail_path = path
    fields.quota_storage_size = bytes > 0 and string.format("%dB", bytes) or "unlimited"
  else
    fields.mail = entry.mail
    -- 0 is unlimited for both.
    fields.quota_rule = string.format("*:bytes=%d", bytes)
  end
  return dovecot.auth.USERDB_RESULT_OK, fields
end
