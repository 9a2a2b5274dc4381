# Copyright (C) nginx-ai-route contributors

# The actions of ai_status: who may, what is answered, what is logged.  Where
# an action is refused it must not happen either: it was once carried out
# behind its own 401.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';
use Digest::SHA qw(sha256_hex);

$ENV{TEST_NGINX_ADMIN} = sha256_hex('s3cr3t');

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('http_config', <<'END') unless defined $block->http_config;
    upstream a { server 127.0.0.1:1;
                 ai_account provider=vllm base=http://a/v1; }
    upstream "b/c \"d\"" { server 127.0.0.1:1;
                 ai_account provider=vllm base=http://b/v1; }
    upstream plain { server 127.0.0.1:1; }
    ai_route m { target a; target "b/c \"d\""; }
END

    $block->set_value('config', <<'END') unless defined $block->config;
    location /v1/ { ai_pass; }
    location /ai/ { ai_status admin=sha256:$TEST_NGINX_ADMIN; }
    location /bare { ai_status admin=sha256:$TEST_NGINX_ADMIN; }
    location /off/ { ai_status; }
END

    # the bearer is in no log
    my $have = $block->no_error_log;
    $block->set_value('no_error_log', [
        ref $have ? @$have : defined $have ? split(/\n/, $have) : (),
        qr/s3cr3t/,
    ]);
});

no_long_string();
run_tests();

__DATA__

=== TEST 1: reset
--- request
POST /ai/accounts/a/reset
--- more_headers
Authorization: Bearer s3cr3t
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body chomp
{"account":"a","action":"reset"}
--- error_log eval
qr/\[notice\] .* ai audit: ok 200 action="reset" object="account" account="a", client: 127\.0\.0\.1/



=== TEST 2: names of accounts and of the scheme have no case
--- request
POST /ai/accounts/A/reset
--- more_headers
Authorization: bearer   s3cr3t
--- response_body chomp
{"account":"a","action":"reset"}



=== TEST 3: a name is decoded, and escaped in the answer
--- request
POST /ai/accounts/b%2Fc%20%22d%22/reset?x=y
--- more_headers
Authorization: Bearer s3cr3t
--- response_body chomp
{"account":"b/c \"d\"","action":"reset"}



=== TEST 4: a location without a final slash
--- request
POST /bare/accounts/a/reset
--- more_headers
Authorization: Bearer s3cr3t
--- response_body chomp
{"account":"a","action":"reset"}



=== TEST 5: a longer word is another path
--- request eval
["POST /bareaccounts/a/reset", "POST /bare-/accounts/a/reset"]
--- more_headers
Authorization: Bearer s3cr3t
--- error_code eval
[404, 404]
--- no_error_log
ai audit: ok



=== TEST 6: without a bearer
--- request
POST /ai/accounts/a/reset
--- error_code: 401
--- response_headers
Content-Type: application/json
WWW-Authenticate: Bearer
--- response_body chomp
{"error":{"message":"the operator's bearer is missing or wrong","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}
--- error_log eval
qr/\[notice\] .* ai audit: denied 401 action="reset" object="account" account="a", client: 127\.0\.0\.1/
--- no_error_log
ai audit: ok



=== TEST 7: wrong bearers
--- request eval
[("POST /ai/accounts/a/reset") x 7]
--- more_headers eval
map { "Authorization: $_" } "Bearer s3cr3", "Bearer s3cr3tt", "Bearer S3CR3T",
    "Bearer", "Bearer ", "Basic s3cr3t", "s3cr3t"
--- error_code eval
[(401) x 7]
--- no_error_log
ai audit: ok



=== TEST 8: the hash itself is no bearer
--- request
POST /ai/accounts/a/reset
--- more_headers eval
"Authorization: Bearer $ENV{TEST_NGINX_ADMIN}"
--- error_code: 401



=== TEST 9: who may not learns nothing of accounts
--- request
POST /ai/accounts/none/reset
--- error_code: 401



=== TEST 10: without admin= there are no actions
--- request
POST /off/accounts/a/reset
--- more_headers
Authorization: Bearer s3cr3t
--- error_code: 403
--- response_body chomp
{"error":{"message":"actions are off, write \"ai_status admin=sha256:HEX;\" in the location to allow them","type":"invalid_request_error","param":null,"code":"admin_not_configured"}}
--- no_error_log
ai audit: ok



=== TEST 11: an unknown account
--- request
POST /ai/accounts/%22none%22/reset
--- more_headers
Authorization: Bearer s3cr3t
--- error_code: 404
--- response_body chomp
{"error":{"message":"there is no account \"\"none\"\"","type":"invalid_request_error","param":null,"code":"account_not_found"}}



=== TEST 12: an upstream that is no account
--- request
POST /ai/accounts/plain/reset
--- more_headers
Authorization: Bearer s3cr3t
--- error_code: 404
--- response_body_like: account_not_found



=== TEST 13: unknown paths
--- request eval
[map { "POST /ai/$_" } "accounts/a/resets", "accounts/a/reset/", "accounts/a",
       "accounts/a/", "accounts/reset", "accounts/", "account/a/reset"]
--- more_headers
Authorization: Bearer s3cr3t
--- error_code eval
[(404) x 7]
--- response_body_like eval
[(qr/^\{"error":\{"message":"there is nothing at .*"code":"not_found"\}\}$/)
 x 7]
--- no_error_log
ai audit: ok



=== TEST 14: a path that is not UTF-8 makes valid JSON
--- request
POST /ai/%ff%22%5c
--- error_code: 404
--- response_body chomp
{"error":{"message":"there is nothing at \"/ai/\ufffd\"\\\"","type":"invalid_request_error","param":null,"code":"not_found"}}



=== TEST 15: other methods
--- request eval
["GET /ai/accounts/a/reset", "PUT /ai/accounts/a/reset\r\nx",
 "DELETE /ai/accounts/a/reset"]
--- more_headers
Authorization: Bearer s3cr3t
--- error_code eval
[405, 405, 405]
--- response_headers eval
["Allow: POST", "Allow: POST", "Allow: POST"]
--- response_body_like eval
[(qr/"message":"\\"reset\\" needs POST".*"code":"method_not_allowed"/) x 3]
--- no_error_log
ai audit: ok



=== TEST 16: a body is thrown away, the connection goes on
--- request eval
["POST /ai/accounts/a/reset\r\n" . "x" x 200000, "POST /ai/accounts/a/reset"]
--- more_headers
Authorization: Bearer s3cr3t
--- error_code eval
[200, 200]



=== TEST 17: a body beyond client_max_body_size
--- config
    location /v1/ { ai_pass; }
    location /ai/ {
        ai_status admin=sha256:$TEST_NGINX_ADMIN;
        client_max_body_size 1k;
    }
--- request eval
"POST /ai/accounts/a/reset\r\n" . "x" x 2000
--- more_headers
Authorization: Bearer s3cr3t
--- error_code: 413
--- no_error_log
ai audit: ok



=== TEST 18: without ai_pass
--- config
    location /ai/ { ai_status admin=sha256:$TEST_NGINX_ADMIN; }
--- request
POST /ai/accounts/a/reset
--- more_headers
Authorization: Bearer s3cr3t
--- response_body chomp
{"account":"a","action":"reset"}



=== TEST 19: limit_except keeps the handler
--- config
    location /v1/ { ai_pass; }
    location /ai/ {
        ai_status admin=sha256:$TEST_NGINX_ADMIN;
        limit_except POST { deny 127.0.0.2; }
        if ($arg_a) { set $b c; }
    }
--- request eval
["POST /ai/accounts/a/reset", "GET /ai/accounts/a/reset",
 "POST /ai/accounts/a/reset?a=b"]
--- more_headers
Authorization: Bearer s3cr3t
--- error_code eval
[200, 405, 200]



=== TEST 20: access rules come first
--- config
    location /v1/ { ai_pass; }
    location /ai/ {
        ai_status admin=sha256:$TEST_NGINX_ADMIN;
        deny all;
    }
--- request
POST /ai/accounts/a/reset
--- more_headers
Authorization: Bearer s3cr3t
--- error_code: 403
--- no_error_log
ai audit: ok



=== TEST 21: an inherited error_page does not replace the answer
--- config
    error_page 401 404 =200 /page;
    location = /page { return 200 "page"; }
    location /ai/ { ai_status admin=sha256:$TEST_NGINX_ADMIN; }
--- request
POST /ai/accounts/a/reset
--- error_code: 401
--- response_body_like: invalid_api_key



=== TEST 22: drain
--- request
POST /ai/accounts/a/drain
--- more_headers
Authorization: Bearer s3cr3t
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body chomp
{"account":"a","action":"drain"}
--- error_log eval
qr/\[notice\] .* ai audit: ok 200 action="drain" object="account" account="a", client: 127\.0\.0\.1/



=== TEST 23: disable
--- request
POST /ai/accounts/a/disable
--- more_headers
Authorization: Bearer s3cr3t
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body chomp
{"account":"a","action":"disable"}
--- error_log eval
qr/\[notice\] .* ai audit: ok 200 action="disable" object="account" account="a", client: 127\.0\.0\.1/



=== TEST 24: enable
--- request
POST /ai/accounts/a/enable
--- more_headers
Authorization: Bearer s3cr3t
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body chomp
{"account":"a","action":"enable"}
--- error_log eval
qr/\[notice\] .* ai audit: ok 200 action="enable" object="account" account="a", client: 127\.0\.0\.1/



=== TEST 25: none of them without the bearer
--- request eval
[map { "POST /ai/accounts/a/$_" } qw(drain disable enable)]
--- more_headers
Authorization: Bearer wrong
--- error_code eval
[401, 401, 401]
--- response_body_like eval
[(qr/"code":"invalid_api_key"/) x 3]
--- no_error_log
ai audit: ok



=== TEST 26: nor without admin=
--- request eval
[map { "POST /off/accounts/a/$_" } qw(drain disable enable)]
--- more_headers
Authorization: Bearer s3cr3t
--- error_code eval
[403, 403, 403]
--- no_error_log
ai audit: ok



=== TEST 27: none of them on an unknown account
--- request eval
[map { "POST /ai/accounts/$_" } qw(none/drain plain/disable none/enable)]
--- more_headers
Authorization: Bearer s3cr3t
--- error_code eval
[404, 404, 404]
--- response_body_like eval
[(qr/"code":"account_not_found"/) x 3]
--- no_error_log
ai account "



=== TEST 28: other words
--- request eval
[map { "POST /ai/accounts/a/$_" } qw(drained disabl Enable drain/ )]
--- more_headers
Authorization: Bearer s3cr3t
--- error_code eval
[404, 404, 404, 404]
--- no_error_log
ai audit: ok



=== TEST 29: other methods for them
--- request eval
[map { "GET /ai/accounts/a/$_" } qw(drain disable enable)]
--- more_headers
Authorization: Bearer s3cr3t
--- error_code eval
[405, 405, 405]
--- response_headers eval
[("Allow: POST") x 3]
--- response_body_like eval
[map { qr/"message":"\\"$_\\" needs POST"/ } qw(drain disable enable)]
--- no_error_log
ai audit: ok



=== TEST 30: without ai_pass there is nothing to keep away
--- config
    location /ai/ { ai_status admin=sha256:$TEST_NGINX_ADMIN; }
--- request
POST /ai/accounts/a/drain
--- more_headers
Authorization: Bearer s3cr3t
--- response_body chomp
{"account":"a","action":"drain"}



=== TEST 31: ... nor to be seen
--- config
    location /ai/ { ai_status; }
--- request
GET /ai/status
--- error_code: 404
--- response_body_like: "code":"no_zone"
