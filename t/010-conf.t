# Copyright (C) nginx-ai-route contributors

# What "nginx -t" refuses and what it warns of: every message names the
# parameter and the place, says what to write instead, and repeats no
# credential.
#
# t/lib/AIConf.pm tells what the sections of the blocks mean.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';

$ENV{AI_TEST_KEY} = 'sk-s3cr3t';
$ENV{AI_TEST_BLANK} = 'sk s3cr3t';
$ENV{AI_TEST_INJECT} = "sk-s3cr3t\r\nX-Evil: s3cr3t";
$ENV{AI_TEST_EMPTY} = '';
$ENV{AI_TEST_SPACES} = " \t\n";
delete $ENV{AI_TEST_MISSING};

my $tmp = tmp_dir();

spew("$tmp/key", "sk-s3cr3t \r\n\n");
spew("$tmp/empty", "\n");
spew("$tmp/two-lines", "sk-s3cr3t\nsk-s3cr3t\n");
spew("$tmp/bearer", "Bearer sk-s3cr3t\n");
spew("$tmp/bom", "\xef\xbb\xbfsk-s3cr3t\n");
spew("$tmp/nul", "sk-s3cr3t\0x\n");
spew("$tmp/max", 'k' x 16384);
spew("$tmp/large", 's3cr3t' x 2731);
spew("$tmp/not-pem", "s3cr3t\n");
spew("$tmp/targets", join '', map { "target a model=m$_;\n" } 1 .. 64);
spew("$tmp/line", "target a;\n\ntarget b;\n");

use AIConf wrap => {
    account => "upstream a {\n    server 127.0.0.1:1;\n    ai_account %s;\n}\n"
               . "ai_route m { target a; }\n",

    route => "upstream a {\n    server 127.0.0.1:1;\n"
             . "    ai_account provider=openai base=http://a/v1;\n}\n"
             . "upstream b {\n    server 127.0.0.1:1;\n"
             . "    ai_account provider=vllm base=http://b/v1;\n}\n"
             . "upstream plain {\n    server 127.0.0.1:1;\n}\n%s\n",
};

no_long_string();
run_tests();

__DATA__

=== TEST 1: the smallest configuration is silent
--- account: provider=openai base=http://a/v1
--- silent



=== TEST 2: everything an account takes
--- account: provider=anthropic base=https://a.test/v1/ key=env:AI_TEST_KEY owner=search verify=on trusted=/etc/ssl/certs/ca-certificates.crt
--- silent



=== TEST 3: an account without parameters
--- ai
upstream a {
    server 127.0.0.1:1;
    ai_account;
}
--- says
invalid number of arguments in "ai_account" directive -> 3



=== TEST 4: no provider
--- account: base=http://a/v1
--- says
"ai_account" has no "provider=", write one of: openai, azure, -> 3



=== TEST 5: unknown provider
--- account: provider=opnai base=http://a/v1
--- says
unknown provider "opnai" in "provider=", write one of: openai, azure, -> 3



=== TEST 6: a provider's name has lower case
--- account: provider=OpenAI base=http://a/v1
--- says
unknown provider "OpenAI" in "provider=" -> 3



=== TEST 7: no base
--- account: provider=openai
--- says
"ai_account" has no "base=", write the provider's address such as base=https:// -> 3



=== TEST 8: base without a scheme
--- account: provider=openai base=api.openai.com/v1
--- says
"base=" does not begin with "https://" or "http://", write base=https:// -> 3



=== TEST 9: base with another scheme
--- account: provider=openai base=ftp://a/v1
--- says
"base=" does not begin with "https://" or "http://" -> 3



=== TEST 10: base without a host
--- account: provider=openai base=https:///v1
--- says
no host in "base=https:///v1", write base=https://HOST[:PORT][/PATH] -> 3



=== TEST 11: base with a port alone
--- account: provider=openai base=https://:443/v1
--- says
no host in "base=https://:443/v1" -> 3



=== TEST 12: base with a bad host
--- account: provider=openai base=https://a,b/v1
--- says
invalid host in "base=https://a,b/v1", write a name or an address -> 3



=== TEST 13: base with a variable
--- account: provider=openai base=https://$host/v1
--- says
invalid host in "base=https://$host/v1" -> 3



=== TEST 14: base with a bad IPv6 address
--- account: provider=openai base=https://[::g]/v1
--- says
invalid host in "base=https://[::g]/v1" -> 3



=== TEST 15: base with text behind an IPv6 address
--- account: provider=openai base=http://[::1]x/v1
--- says
invalid port in "base=http://[::1]x/v1" -> 3



=== TEST 16: base with a bad port
--- account: provider=openai base=http://a:0/v1
--- says
invalid port in "base=http://a:0/v1", write a number from 1 to 65535 -> 3



=== TEST 17: base with a port too large
--- account: provider=openai base=http://a:65536/v1
--- says
invalid port in "base=http://a:65536/v1" -> 3



=== TEST 18: base with an empty port
--- account: provider=openai base=http://a:/v1
--- says
invalid port in "base=http://a:/v1" -> 3



=== TEST 19: base with a query, where a key might stand
--- account: provider=gemini base=https://a/v1?key=s3cr3t
--- says
"base=" has a query or a fragment, write only base=https:// -> 3



=== TEST 20: base with a fragment
--- account: provider=openai base=https://a/v1#s3cr3t
--- says
"base=" has a query or a fragment -> 3



=== TEST 21: base with a password
--- account: provider=openai base=https://me:s3cr3t@a/v1
--- says
"base=" has a user or password, remove it and write the credential as key=env:NAME -> 3



=== TEST 22: "@" in base's path is ordinary
--- account: provider=vertex base=http://a/v1/models/x@001
--- silent



=== TEST 23: base with a blank in its path
--- account: provider=openai "base=http://a/v 1"
--- says
invalid character in the path of "base=" -> 3



=== TEST 24: literal key
--- account: provider=openai base=http://a/v1 key=sk-s3cr3t
--- says
a literal credential is refused in "key=", write key=env:NAME or key=file:PATH -> 3



=== TEST 25: key with a scheme and nothing behind it
--- account: provider=openai base=http://a/v1 key=env:
--- says
a literal credential is refused in "key=" -> 3



=== TEST 26: a literal key behind env:
--- account: provider=openai base=http://a/v1 key=env:sk-s3cr3t
--- says
"key=env:" is not followed by the name of an environment variable, write key=env:NAME -> 3



=== TEST 27: missing variable
--- account: provider=openai base=http://a/v1 key=env:AI_TEST_MISSING
--- says
environment variable "AI_TEST_MISSING" of "key=" is not set where nginx was started (a service does not have the environment of your shell), set it there or write key=file:PATH -> 3



=== TEST 28: empty variable
--- account: provider=openai base=http://a/v1 key=env:AI_TEST_EMPTY
--- says
environment variable "AI_TEST_EMPTY" of "key=" is empty -> 3



=== TEST 29: variable of blanks
--- account: provider=openai base=http://a/v1 key=env:AI_TEST_SPACES
--- says
"key=env:AI_TEST_SPACES" is empty -> 3



=== TEST 30: a variable that would inject a header
--- account: provider=openai base=http://a/v1 key=env:AI_TEST_INJECT
--- says
"key=env:AI_TEST_INJECT" holds a blank, a control or a non-ASCII character -> 3



=== TEST 31: a variable with a blank inside
--- account: provider=openai base=http://a/v1 key=env:AI_TEST_BLANK
--- says
"key=env:AI_TEST_BLANK" holds a blank -> 3



=== TEST 32: a key file, its end trimmed
--- account: provider=openai base=http://a/v1 key=file:$TMP/key
--- silent



=== TEST 33: a key file that is not there
--- account: provider=openai base=http://a/v1 key=file:$TMP/none
--- says
cannot open "$TMP/none" of "key=", it must be readable with the permissions of the nginx service (2: No such file or directory) -> 3



=== TEST 34: a key file that is a folder
--- account: provider=openai base=http://a/v1 key=file:$TMP
--- says
cannot read "$TMP" of "key=", it must be a regular file (21: Is a directory) -> 3



=== TEST 35: an empty key file
--- account: provider=openai base=http://a/v1 key=file:$TMP/empty
--- says
"key=file:$TMP/empty" is empty -> 3



=== TEST 36: a key file of two lines
--- account: provider=openai base=http://a/v1 key=file:$TMP/two-lines
--- says
"key=file:$TMP/two-lines" holds a blank, a control or a non-ASCII character, it must be the credential alone on one line -> 3



=== TEST 37: a key file with the header's scheme
--- account: provider=openai base=http://a/v1 key=file:$TMP/bearer
--- says
"key=file:$TMP/bearer" holds a blank -> 3



=== TEST 38: a key file with a byte order mark
--- account: provider=openai base=http://a/v1 key=file:$TMP/bom
--- says
"key=file:$TMP/bom" holds a blank, a control or a non-ASCII character -> 3



=== TEST 39: a key file with a zero byte
--- account: provider=openai base=http://a/v1 key=file:$TMP/nul
--- says
"key=file:$TMP/nul" holds a blank, a control -> 3



=== TEST 40: the largest key file
--- account: provider=openai base=http://a/v1 key=file:$TMP/max
--- silent



=== TEST 41: a key file too large
--- account: provider=openai base=http://a/v1 key=file:$TMP/large
--- says
"$TMP/large" of "key=" is larger than 16384 bytes -> 3



=== TEST 42: bad verify
--- account: provider=openai base=https://a/v1 verify=no
--- says
invalid value "no" in "verify=", write verify=on or verify=off -> 3



=== TEST 43: verify without TLS
--- account: provider=openai base=http://a/v1 verify=off
--- says
"verify=" means nothing with base=http://, remove it or write base=https://a/v1 -> 3



=== TEST 44: trusted without TLS
--- account: provider=openai base=http://a/v1 trusted=/etc/ssl/cert.pem
--- says
"trusted=" means nothing with base=http:// -> 3



=== TEST 45: trusted without verification
--- account: provider=openai base=https://a/v1 verify=off trusted=/etc/ssl/cert.pem
--- says
"trusted=" means nothing with verify=off, remove one of them -> 3



=== TEST 46: trusted file that is not there
--- account: provider=openai base=https://a/v1 trusted=$TMP/none
--- says
cannot use "$TMP/none" as the trusted CA certificates of account "a", write trusted=FILE -> 3



=== TEST 47: trusted file that is no certificate
--- account: provider=openai base=https://a/v1 trusted=$TMP/not-pem
--- says
cannot use "$TMP/not-pem" as the trusted CA certificates of account "a" -> 3



=== TEST 48: resolve in too short a time
--- account: provider=openai base=http://a/v1 resolve=999ms
--- says
invalid time "999ms" in "resolve=", write a time of 1s or more such as resolve=30s -> 3



=== TEST 49: owner with a quote
--- account: provider=openai base=http://a/v1 owner=a"b
--- says
"owner=" has a quote, a backslash or a control character -> 3



=== TEST 50: owner too long
--- account: provider=openai base=http://a/v1 owner={ox65}
--- says
"owner=" is longer than 64 bytes -> 3



=== TEST 51: parameter without a value
--- account: provider= base=http://a/v1
--- says
parameter "provider=" of "ai_account" has no value -> 3



=== TEST 52: parameter twice
--- account: provider=openai base=http://a/v1 key=env:AI_TEST_KEY key=env:AI_TEST_KEY
--- says
duplicate parameter "key=" of "ai_account" -> 3



=== TEST 53: unknown parameter, without its value
--- account: provider=openai base=http://a/v1 api_key=sk-s3cr3t
--- says
unknown parameter "api_key=" of "ai_account", use provider=, base=, key= -> 3



=== TEST 54: misspelled key
--- account: provider=openai base=http://a/v1 kye=sk-s3cr3t
--- says
unknown parameter "kye=" of "ai_account" -> 3



=== TEST 55: a credential with no parameter's name at all
--- account: provider=openai base=http://a/v1 sk-s3cr3t==
--- says
unknown parameter of "ai_account", not shown because it may be a credential, write name=value -> 3



=== TEST 56: a word alone
--- account: provider=openai base=http://a/v1 s3cr3t
--- says
unknown parameter of "ai_account", not shown -> 3



=== TEST 57: two accounts in a block
--- account
provider=openai base=http://a/v1;
    ai_account provider=openai base=http://a/v1
--- says
"ai_account" directive is duplicate -> 4



=== TEST 58: ai_account outside an upstream
--- ai
ai_account provider=openai base=http://a/v1;
--- says
"ai_account" directive is not allowed here -> 1



=== TEST 59: an account that no route uses
--- route
ai_route m { target a; }
--- warns
account "b" is not used by any ai_route -> 7



=== TEST 60: verification switched off
--- account: provider=openai base=https://a/v1 verify=off
--- warns
account "a" says verify=off, its credential goes to whoever answers -> 3



=== TEST 61: TLS to an address
--- account: provider=openai base=https://10.0.0.1/v1
--- warns
"base=" of account "a" has an address instead of a name, nginx verifies certificates by name only -> 3



=== TEST 62: TLS to an IPv6 address
--- account: provider=openai base=https://[::1]:8443/v1
--- warns
"base=" of account "a" has an address instead of a name -> 3



=== TEST 63: TLS to the port of plain HTTP
--- ai
upstream a {
    server 127.0.0.1;
    ai_account provider=openai base=https://api.openai.com/v1;
}
ai_route m { target a; }
--- warns
"base=" of account "a" is https but server "127.0.0.1" has port 80, write "server api.openai.com:443" -> 3



=== TEST 64: a route with all its words
--- route
ai_route gpt-4o gpt-4o-2024-* {
    balance weighted;
    target a weight=1000;
    target a model=gpt-4o-prod tier=2;
    target b model=org/llama-3.3:70b@v1 weight=2 tier=16;
}
ai_route gpt-* { target a; }
ai_route * { target b; }
--- silent



=== TEST 65: names of models are case-sensitive
--- route
ai_route gpt GPT gpt* { target a; }
ai_route Gpt GPT* { target b; }
--- silent



=== TEST 66: a route without a model
--- route
ai_route { target a; }
--- says
invalid number of arguments in "ai_route" directive -> 12



=== TEST 67: an empty route
--- route
ai_route gpt-4o gpt-5 {

}
--- says
route "gpt-4o" is empty, write "target ACCOUNT;" in it -> 12



=== TEST 68: unknown account
--- route
ai_route gpt-4o {
    target a;
    target c weight=2;
}
--- says
unknown account "c" in route "gpt-4o", write an upstream block of that name with ai_account -> 14



=== TEST 69: an upstream that is no account
--- route
ai_route gpt-4o { target plain; }
--- says
upstream "plain" in route "gpt-4o" is no account, write "ai_account provider=NAME base=URL key=env:NAME" in its block -> 12



=== TEST 70: accounts may stand behind the route
--- ai
ai_route m { target a; }
upstream a {
    server 127.0.0.1:1;
    ai_account provider=openai base=http://a/v1;
}
--- silent



=== TEST 71: unknown word in a route
--- route
ai_route gpt-4o {
    targets a;
}
--- says
unknown directive "targets" in ai_route "gpt-4o", use target, balance, backup, window, family or include -> 13



=== TEST 72: a block inside a route
--- route
ai_route gpt-4o {
    target a { }
}
--- says
unexpected "{" -> 13



=== TEST 73: a target without its account
--- route
ai_route gpt-4o { target; }
--- says
invalid number of arguments of "target" in ai_route "gpt-4o", write "target ACCOUNT -> 12



=== TEST 74: unknown parameter of a target
--- route
ai_route gpt-4o { target a wieght=2; }
--- says
unknown parameter "wieght=2" of target "a", use weight=, tier= or model= -> 12



=== TEST 75: a parameter of a target twice
--- route
ai_route gpt-4o { target a tier=1 tier=2; }
--- says
duplicate parameter "tier=" of target "a" -> 12



=== TEST 76: weight 0
--- route
ai_route gpt-4o { target a weight=0; }
--- says
invalid "weight=0" of target "a", write a number from 1 to 1000 -> 12



=== TEST 77: weight too large
--- route
ai_route gpt-4o { target a weight=1001; }
--- says
invalid "weight=1001" of target "a" -> 12



=== TEST 78: weight that is no number
--- route
ai_route gpt-4o { target a weight=; }
--- says
invalid "weight=" of target "a" -> 12



=== TEST 79: tier 0
--- route
ai_route gpt-4o { target a tier=0; }
--- says
invalid "tier=0" of target "a", write a number from 1 to 16 -> 12



=== TEST 80: tier too large
--- route
ai_route gpt-4o { target a tier=17; }
--- says
invalid "tier=17" of target "a" -> 12



=== TEST 81: empty model of a target
--- route
ai_route gpt-4o { target a model=; }
--- says
empty model name in "model=", write the model's name -> 12



=== TEST 82: a pattern as the model of a target
--- route
ai_route gpt-4o { target a model=gpt-*; }
--- says
"*" in "model=gpt-*" of target "a", write the provider's full name of the model -> 12



=== TEST 83: model of a target with a quote
--- route
ai_route gpt-4o { target a 'model=a"b'; }
--- says
model name in "model=" has a blank, a quote, a backslash, a control or a non-ASCII character -> 12



=== TEST 84: the same target twice
--- route
ai_route gpt-4o {
    target a model=x;
    target b;
    target A model=x tier=2;
}
--- says
target "A" with the same model stands already in ai_route "gpt-4o" ($TMP/servroot/conf/../html/ai.conf:13), raise its weight= instead -> 15



=== TEST 85: a balance that needs prices
--- route
ai_route gpt-4o { target a; balance least_cost; }
--- says
"balance least_cost" in ai_route "gpt-4o" has no price of any target, write "ai_prices FILE" -> 12



=== TEST 86: balance without a word
--- route
ai_route gpt-4o { target a; balance; }
--- says
invalid number of arguments of "balance" in ai_route "gpt-4o", write "balance weighted| -> 12



=== TEST 87: balance twice
--- route
ai_route gpt-4o { target a; balance weighted; balance weighted; }
--- says
duplicate "balance" in ai_route "gpt-4o" -> 12



=== TEST 88: a backup model that no route serves
--- route
ai_route gpt-4o { target a; backup claude; }
--- says
no route serves the backup model "claude" of ai_route "gpt-4o", write "ai_route claude { target ACCOUNT; }" -> 12



=== TEST 89: a star inside a pattern
--- route
ai_route gpt-*-mini { target a; }
--- says
"*" inside the model pattern "gpt-*-mini" of "ai_route", write it only at the end -> 12



=== TEST 90: two stars
--- route
ai_route gpt** { target a; }
--- says
"*" inside the model pattern "gpt**" -> 12



=== TEST 91: the same model in two routes
--- route
ai_route gpt-4o { target a; }
ai_route gpt-5 gpt-4o { target b; }
--- says
model "gpt-4o" of "ai_route" already has a route ( -> 13



=== TEST 92: and the message names the other one
--- route
ai_route gpt-4o { target a; }

ai_route gpt-4o { target b; }
--- says
already has a route ($TMP/servroot/conf/../html/ai.conf:12), keep one of them -> 14



=== TEST 93: the same model twice in a route
--- route
ai_route gpt-* gpt-* { target a; }
--- says
model "gpt-*" of "ai_route" already has a route ( -> 12



=== TEST 94: empty model
--- route
ai_route "" { target a; }
--- says
empty model name of "ai_route", write the model's name -> 12



=== TEST 95: model with a blank
--- route
ai_route "gpt 4o" { target a; }
--- says
model name of "ai_route" has a blank, a quote -> 12



=== TEST 96: model with a quote
--- route
ai_route 'gpt"4o' { target a; }
--- says
model name of "ai_route" has a blank, a quote -> 12



=== TEST 97: the longest model
--- route
ai_route {mx256} { target a; }



=== TEST 98: model too long
--- route
ai_route {mx257} { target a; }
--- says
model name of "ai_route" is longer than 256 bytes -> 12



=== TEST 99: as many targets as possible, included
--- route
ai_route gpt-4o { include $TMP/targets; }



=== TEST 100: one more
--- route
ai_route gpt-4o {
    include $TMP/targets;
    target b;
}
--- says
more than 64 targets in ai_route "gpt-4o", put several servers into one upstream block instead -> 14



=== TEST 101: included targets name their own file and line
--- ai
upstream a {
    server 127.0.0.1:1;
    ai_account provider=openai base=http://a/v1;
}
ai_route gpt-4o {
    include $TMP/line;
}
--- says
unknown account "b" in route "gpt-4o" -> line:3



=== TEST 102: include of a file that is not there
--- route
ai_route gpt-4o {
    target a;
    include $TMP/none;
}
--- says
open() "$TMP/none" failed (2: No such file or directory) -> 14



=== TEST 103: include without a file
--- route
ai_route gpt-4o { include; }
--- says
"include" in ai_route "gpt-4o" takes one file, write "include FILE;" -> 12



=== TEST 104: a route that is not closed
--- route
ai_route gpt-4o {
    target a;
--- says
unexpected end of file, expecting "}" -> 14



=== TEST 105: ai_pass without a route
--- ai
upstream a {
    server 127.0.0.1:1;
    ai_account provider=openai base=http://a/v1;
}
--- says
"ai_pass" has no route, write "ai_route MODEL { target ACCOUNT; }" in http -> nginx.conf



=== TEST 106: routes without ai_pass
--- route
ai_route m { target a; target b; }
--- config
location = /up { return 204; }
--- silent



=== TEST 107: a zone
--- route
ai_zone ai 256k;
ai_route m { target a; }



=== TEST 108: a zone without its size
--- ai
ai_zone 32m;
--- says
"ai_zone" needs a name and a size, write "ai_zone ai 4m" -> 1



=== TEST 109: a zone too small
--- ai
ai_zone ai 255k;
--- says
too small size "255k" of "ai_zone", write at least 256k -> 1



=== TEST 110: a zone's size that is none
--- ai
ai_zone ai huge;
--- says
invalid size "huge" of "ai_zone", write at least 256k -> 1



=== TEST 111: state without a folder
--- ai
ai_zone ai 4m state=;
--- says
duplicate or empty parameter "state=" of "ai_zone", write "ai_zone NAME SIZE [state=FOLDER]" -> 1



=== TEST 112: unknown parameter of a zone
--- ai
ai_zone ai 4m stat=/x;
--- says
unknown parameter "stat=/x" of "ai_zone", write "ai_zone NAME SIZE [state=FOLDER]" -> 1



=== TEST 113: two zones
--- ai
ai_zone ai 4m;
ai_zone bi 4m;
--- says
"ai_zone" directive is duplicate -> 2



=== TEST 114: ai_usage twice
--- ai
ai_usage off;
ai_usage off;
--- says
"ai_usage" directive is duplicate -> 2



=== TEST 115: ai_pass in a regular expression location
--- ai
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location ~ ^/v1/ { ai_pass; }
}
--- says
"ai_pass" cannot be in a regular expression location, use a prefix location such as location /v1/ { ai_pass; } -> 2



=== TEST 116: ai_pass in an exact location
--- ai
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location = /v1/chat/completions { ai_pass; }
}
--- says
"ai_pass" cannot be in an exact location, use a prefix location -> 2



=== TEST 117: ai_pass in a named location
--- ai
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location @ai { ai_pass; }
}
--- says
"ai_pass" cannot be in a named location, use a prefix location -> 2



=== TEST 118: ai_pass in "if"
--- ai
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /v1/ {
        if ($arg_a) { ai_pass; }
    }
}
--- says
"ai_pass" cannot be in "if", use a prefix location -> 3



=== TEST 119: ai_pass in "limit_except"
--- ai
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /v1/ {
        limit_except GET { ai_pass; }
    }
}
--- says
"ai_pass" cannot be in "limit_except", use a prefix location -> 3



=== TEST 120: ai_pass twice
--- ai
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /v1/ { ai_pass; ai_pass; }
}
--- says
"ai_pass" directive is duplicate -> 2



=== TEST 121: ai_pass behind another handler
--- ai
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /v1/ { proxy_pass http://127.0.0.1:1; ai_pass; }
}
--- says
"ai_pass" in location "/v1/" stands beside another content handler, write only one of them -> 2



=== TEST 122: ai_pass before another handler
--- ai
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /v1/ {
        ai_pass;
        proxy_pass http://127.0.0.1:1;
    }
}
--- says
"ai_pass" in location "/v1/" stands beside another content handler -> 3



=== TEST 123: ai_pass takes no argument
--- ai
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /v1/ { ai_pass http://a; }
}
--- says
invalid number of arguments in "ai_pass" directive -> 2
