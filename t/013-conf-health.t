# Copyright (C) nginx-ai-route contributors

# Breakers, limits and balances: what "nginx -t" refuses.  t/lib/AIConf.pm
# tells what the sections of the blocks mean: "account" stands in an upstream
# block with ai_account from line 4 on, "route" in a route from line 6 on.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';

my $tmp = tmp_dir();

spew("$tmp/account", "ai_breaker failures=3;\n\nai_limit concurrent=0;\n");

my $account;

BEGIN {
    $account = "upstream a {\n    server 127.0.0.1:1;\n"
               . "    ai_account provider=vllm base=http://a/v1;\n";
}

use AIConf wrap => {
    account => $account . "%s\n}\nai_route m { target a; }\n",
    route => $account . "}\nai_route m { target a;\n%s\n}\n",
};

no_long_string();
run_tests();

__DATA__

=== TEST 1: all parameters in http and in an account
--- ai
ai_breaker failures=5 rate=50 min=20 window=30s open=10s max_open=30s slow=off
           ramp=10s;
upstream a {
    ai_breaker failures=3 rate=40 min=10 window=10s open=5s max_open=1m
               slow=20s ramp=30s min_speed=10;
    ai_limit requests=500r/m tokens=200000t/m concurrent=64
             budget=0.5usd/day,10USD/week,30usd/month,1000usd/total;
    server 127.0.0.1:1;
    ai_account provider=vllm base=http://a/v1;
    ai_price m input=1 output=1;
}
ai_route m { target a; }
--- silent



=== TEST 2: the least of each value
--- account
ai_breaker failures=0 rate=1 min=1 window=10ms open=1ms max_open=1ms slow=0
           ramp=0;
ai_limit requests=1r/d tokens=1t/d concurrent=1;
--- silent



=== TEST 3: the most of each value
--- account
ai_breaker failures=1000000 rate=99 min=1000000 window=1d open=1d max_open=1d
           slow=1d ramp=1d;
ai_limit requests=100000000000r/s tokens=100000mt/s concurrent=1000000;
--- silent



=== TEST 4: never by rate, no ramp
--- account
ai_breaker failures=1 rate=100 ramp=off slow=off;
--- silent



=== TEST 5: more than 100 percent is never, too
--- account
ai_breaker rate=101;
--- silent



=== TEST 6: a breaker in http needs no account
--- ai
ai_breaker failures=3;
--- config
location = /up { return 204; }
--- silent



=== TEST 7: letters of a rate have no case
--- account
ai_limit requests=1KR/M tokens=2MT/H;
--- silent



=== TEST 8: a breaker without parameters
--- account
ai_breaker;
--- says
invalid number of arguments in "ai_breaker" directive -> 4



=== TEST 9: a limit without parameters
--- account
ai_limit;
--- says
invalid number of arguments in "ai_limit" directive -> 4



=== TEST 10: two breakers in http
--- ai
ai_breaker failures=3;
ai_breaker rate=50;
--- says
"ai_breaker" directive is duplicate -> 2



=== TEST 11: two breakers in an account
--- account
ai_breaker failures=3;
ai_breaker rate=50;
--- says
"ai_breaker" directive is duplicate -> 5



=== TEST 12: two limits in an account
--- account
ai_limit requests=500r/m;
ai_limit tokens=200000t/m;
--- says
"ai_limit" directive is duplicate -> 5



=== TEST 13: a limit in http
--- ai
ai_limit requests=500r/m;
--- says
"ai_limit" directive is not allowed here -> 1



=== TEST 14: a breaker in a server
--- config
ai_breaker failures=3;
location /v1/ { ai_pass; }
--- account
ai_limit concurrent=1;
--- says
"ai_breaker" directive is not allowed here -> nginx.conf



=== TEST 15: a breaker in a block that is no account
--- ai
upstream plain {
    server 127.0.0.1:1;
    ai_breaker failures=3;
}
--- config
location = /up { return 204; }
--- says
"ai_breaker" in an upstream block without ai_account, remove it or write "ai_account provider=NAME base=URL key=env:NAME" in the block -> 3



=== TEST 16: a limit in a block that is no account
--- ai
upstream a {
    server 127.0.0.1:1;
    ai_account provider=vllm base=http://a/v1;
    ai_limit concurrent=64;
}
upstream plain {
    server 127.0.0.1:1;
    ai_limit concurrent=64;
}
ai_route m { target a; }
--- says
"ai_limit" in an upstream block without ai_account, remove it or write "ai_account -> 8



=== TEST 17: the place is that of the directive, in the included file, too
--- account
include $TMP/account;
--- says
invalid "concurrent=0" of "ai_limit", write a number from 1 to 1000000 -> account:3



=== TEST 18: unknown parameter of a breaker
--- account
ai_breaker failures=3 timeout=10s;
--- says
unknown parameter "timeout=10s" of "ai_breaker", use failures=, rate=, min=, window=, open=, max_open=, slow=, min_speed=, ramp= -> 4



=== TEST 19: unknown parameter of a limit
--- account
ai_limit rpm=500;
--- says
unknown parameter "rpm=500" of "ai_limit", use requests=, tokens=, concurrent=, budget= -> 4



=== TEST 20: a word alone
--- account
ai_breaker off;
--- says
unknown parameter "off" of "ai_breaker", use failures=, rate= -> 4



=== TEST 21: a parameter of a breaker twice
--- account
ai_breaker failures=3 rate=50 failures=3;
--- says
duplicate parameter "failures=" of "ai_breaker" -> 4



=== TEST 22: a parameter of a limit twice
--- account
ai_limit concurrent=3 concurrent=4;
--- says
duplicate parameter "concurrent=" of "ai_limit" -> 4



=== TEST 23: failures that are no number
--- account
ai_breaker failures=-1;
--- says
invalid "failures=-1" of "ai_breaker", write a number up to 1000000, or failures=0 for never by their number -> 4



=== TEST 24: too many failures
--- ai
ai_breaker failures=1000001;
--- says
invalid "failures=1000001" of "ai_breaker", write a number up to 1000000 -> 1



=== TEST 25: a parameter without its value
--- account
ai_breaker failures=;
--- says
invalid "failures=" of "ai_breaker", write a number up to 1000000 -> 4



=== TEST 26: rate 0, which may be meant either way
--- account
ai_breaker rate=0;
--- says
invalid "rate=0" of "ai_breaker", write a percentage from 1 to 99, or rate=100 for never by rate -> 4



=== TEST 27: rate with a sign
--- account
ai_breaker rate=50%;
--- says
invalid "rate=50%" of "ai_breaker", write a percentage from 1 to 99 -> 4



=== TEST 28: min 0
--- account
ai_breaker min=0;
--- says
invalid "min=0" of "ai_breaker", write a number from 1 to 1000000 -> 4



=== TEST 29: min too large
--- account
ai_breaker min=1000001;
--- says
invalid "min=1000001" of "ai_breaker", write a number from 1 to 1000000 -> 4



=== TEST 30: window that is no time
--- account
ai_breaker window=30x;
--- says
invalid "window=30x" of "ai_breaker", write a time from 10ms to 1d -> 4



=== TEST 31: window too short
--- account
ai_breaker window=9ms;
--- says
invalid "window=9ms" of "ai_breaker", write a time from 10ms to 1d -> 4



=== TEST 32: window too long
--- account
ai_breaker window=86401;
--- says
invalid "window=86401" of "ai_breaker", write a time from 10ms to 1d -> 4



=== TEST 33: open 0
--- account
ai_breaker open=0;
--- says
invalid "open=0" of "ai_breaker", write a time from 1ms to 1d -> 4



=== TEST 34: open is not switched off
--- account
ai_breaker open=off;
--- says
invalid "open=off" of "ai_breaker", write a time from 1ms to 1d -> 4



=== TEST 35: open too long
--- account
ai_breaker open=25h;
--- says
invalid "open=25h" of "ai_breaker", write a time from 1ms to 1d -> 4



=== TEST 36: max_open 0
--- account
ai_breaker max_open=0s;
--- says
invalid "max_open=0s" of "ai_breaker", write a time from 1ms to 1d -> 4



=== TEST 37: max_open too long
--- account
ai_breaker max_open=2d;
--- says
invalid "max_open=2d" of "ai_breaker", write a time from 1ms to 1d -> 4



=== TEST 38: slow that is no time
--- account
ai_breaker slow=on;
--- says
invalid "slow=on" of "ai_breaker", write a time up to 1d, or slow=off -> 4



=== TEST 39: slow too long
--- account
ai_breaker slow=2d;
--- says
invalid "slow=2d" of "ai_breaker", write a time up to 1d, or slow=off -> 4



=== TEST 40: ramp that is no time
--- account
ai_breaker ramp=-1s;
--- says
invalid "ramp=-1s" of "ai_breaker", write a time up to 1d, or ramp=off -> 4



=== TEST 41: ramp too long
--- account
ai_breaker ramp=2d;
--- says
invalid "ramp=2d" of "ai_breaker", write a time up to 1d, or ramp=off -> 4



=== TEST 42: max_open less than open
--- account
ai_breaker max_open=5s open=6s;
--- says
max_open=5000ms of "ai_breaker" is less than open=6000ms, raise it or lower "open=" -> 4



=== TEST 43: the same in http
--- ai
ai_usage off;
ai_breaker open=6s max_open=5s;
--- config
location = /up { return 204; }
--- says
max_open=5000ms of "ai_breaker" is less than open=6000ms -> 2



=== TEST 44: open alone raises the default of max_open
--- account
ai_breaker open=10m;
--- silent



=== TEST 45: max_open alone lowers the default of open
--- account
ai_breaker max_open=1s;
--- silent



=== TEST 46: open is inherited
--- ai
ai_breaker open=20s;
upstream a {
    server 127.0.0.1:1;
    ai_account provider=vllm base=http://a/v1;
    ai_breaker max_open=19s;
}
ai_route m { target a; }
--- says
max_open=19000ms of "ai_breaker" is less than open=20000ms -> 5



=== TEST 47: max_open is inherited, whatever the order
--- ai
upstream a {
    server 127.0.0.1:1;
    ai_breaker open=31s;
    ai_account provider=vllm base=http://a/v1;
}
ai_route m { target a; }
ai_breaker max_open=30s failures=1;
--- says
max_open=30000ms of "ai_breaker" is less than open=31000ms -> 3



=== TEST 48: what a block names is not inherited
--- ai
ai_breaker open=5m max_open=10m;
upstream a {
    server 127.0.0.1:1;
    ai_account provider=vllm base=http://a/v1;
    ai_breaker open=1s max_open=2s;
}
ai_route m { target a; }
--- silent



=== TEST 49: a block inherits what was written, not a default
--- ai
ai_breaker open=1m;
upstream a {
    server 127.0.0.1:1;
    ai_account provider=vllm base=http://a/v1;
    ai_breaker open=5m;
}
ai_route m { target a; }
--- silent



=== TEST 50: a rate without its unit
--- account
ai_limit requests=500;
--- says
invalid "requests=500" of "ai_limit", write a rate of requests per s, m, h or d such as requests=500r/m -> 4



=== TEST 51: a rate per an unknown period
--- account
ai_limit tokens=500t/w;
--- says
invalid "tokens=500t/w" of "ai_limit", write a rate of tokens per s, m, h or d such as tokens=200kt/m -> 4



=== TEST 52: a rate without a value
--- account
ai_limit requests=;
--- says
invalid "requests=" of "ai_limit", write a rate of requests -> 4



=== TEST 53: tokens where requests are counted
--- account
ai_limit requests=500t/m;
--- says
"requests=500t/m" of "ai_limit" counts tokens, write a rate of requests per s, m, h or d such as requests=500r/m -> 4



=== TEST 54: requests where tokens are counted
--- account
ai_limit tokens=200kr/m;
--- says
"tokens=200kr/m" of "ai_limit" counts requests, write a rate of tokens per s, m, h or d such as tokens=200kt/m -> 4



=== TEST 55: a rate of zero
--- account
ai_limit requests=0r/m;
--- says
"requests=0r/m" of "ai_limit" is zero or too large, write a rate of requests -> 4



=== TEST 56: a rate too large
--- account
ai_limit tokens=100000000001t/m;
--- says
"tokens=100000000001t/m" of "ai_limit" is zero or too large, write a rate of tokens -> 4



=== TEST 57: concurrent that is a rate
--- account
ai_limit concurrent=64r/m;
--- says
invalid "concurrent=64r/m" of "ai_limit", write a number from 1 to 1000000 -> 4



=== TEST 58: concurrent too large
--- account
ai_limit concurrent=1000001;
--- says
invalid "concurrent=1000001" of "ai_limit", write a number from 1 to 1000000 -> 4



=== TEST 59: a budget that is none
--- account
ai_limit concurrent=64 budget=50eur/day;
--- says
invalid "budget=50eur/day" of "ai_limit", write budget=AMOUNTusd/PERIOD with day, week, month or total -> 4



=== TEST 60: balance weighted
--- route
balance weighted;
--- silent



=== TEST 61: balance least_busy
--- route
balance least_busy;
--- silent



=== TEST 62: balance least_time
--- route
balance least_time;
--- silent



=== TEST 63: balance hash by the default key
--- route
balance hash;
--- silent



=== TEST 64: balance hash by a header, or by several things
--- ai
upstream a {
    server 127.0.0.1:1;
    ai_account provider=vllm base=http://a/v1;
}
ai_route m { target a; balance hash $http_x_session_id; }
ai_route n { target a; balance hash "$arg_user/${http_x_tenant}"; }
--- silent



=== TEST 65: balance hash by what is the same for all
--- route
balance hash x-session-id;
--- says
"balance hash x-session-id" in ai_route "m" has no variable, write one such as $http_x_session_id -> 6



=== TEST 66: balance hash by nothing
--- route
balance hash "";
--- says
"balance hash " in ai_route "m" has no variable -> 6



=== TEST 67: balance hash by a broken variable
--- route
balance hash ${http_x_session_id;
--- says
the closing bracket in "http_x_session_id" variable is missing -> 6



=== TEST 68: a variable after another word
--- route
balance least_time $http_x_session_id;
--- says
"$http_x_session_id" after "balance" in ai_route "m" means nothing, only "balance hash" takes a variable, remove it -> 6



=== TEST 69: two variables
--- route
balance hash $http_a $http_b;
--- says
invalid number of arguments of "balance" in ai_route "m", write "balance weighted|least_busy|least_time|least_cost|hash [VARIABLE];" -> 6



=== TEST 70: unknown balance
--- route
balance round_robin;
--- says
invalid value "round_robin" of "balance" in ai_route "m", write "balance weighted|least_busy|least_time|least_cost|hash [VARIABLE];" -> 6



=== TEST 71: the words of balance have lower case
--- route
balance Hash;
--- says
invalid value "Hash" of "balance" in ai_route "m" -> 6



=== TEST 72: least_cost without a price
--- route
balance least_cost;
--- says
"balance least_cost" in ai_route "m" has no price of any target, write "ai_prices FILE" -> 5



=== TEST 73: balance twice
--- route
balance hash;
balance least_busy;
--- says
duplicate "balance" in ai_route "m" -> 7



=== TEST 74: two budgets per day
--- account
ai_limit budget=50usd/day,40usd/day;
--- says
"budget=50usd/day,40usd/day" of "ai_limit" has two budgets per day, write the lower one only -> 4



=== TEST 75: a budget of nothing
--- account
ai_limit budget=0usd/day;
--- says
invalid "budget=0usd/day" of "ai_limit", write budget=AMOUNTusd/PERIOD -> 4



=== TEST 76: a list of budgets with a hole
--- account
ai_limit budget=5usd/day,;
--- says
invalid "budget=5usd/day," of "ai_limit", write budget=AMOUNTusd/PERIOD -> 4



=== TEST 77: a speed that is no number
--- account
ai_breaker min_speed=10t/s;
--- says
invalid "min_speed=10t/s" of "ai_breaker", write tokens per second up to 1000000, or min_speed=0 for any -> 4
