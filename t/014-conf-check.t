# Copyright (C) nginx-ai-route contributors

# ai_health_check: what "nginx -t" refuses.  t/lib/AIConf.pm tells what the
# sections of the blocks mean: "account" stands in an upstream block with
# ai_account from line 4 on.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';

use AIConf wrap => {
    account => "upstream a {\n    server 127.0.0.1:1;\n"
               . "    ai_account provider=vllm base=http://a/v1;\n"
               . "%s\n}\nai_route m { target a; }\n",
};

no_long_string();
run_tests();

__DATA__

=== TEST 1: a check with all defaults
--- account
ai_health_check;
--- silent



=== TEST 2: all parameters of a check
--- account
ai_health_check interval=1d timeout=10ms uri=/health?deep=1 method=HEAD
                expect=200,204,301,400,404,405,409,499 idle=off;
--- silent



=== TEST 3: a short interval lowers the default timeout
--- account
ai_health_check interval=1s;
--- silent



=== TEST 4: timeout as long as the interval
--- account
ai_health_check interval=3s timeout=3s;
--- says
timeout=3000ms of "ai_health_check" is not shorter than interval=3000ms, lower it or raise "interval=" -> 4



=== TEST 5: timeout longer than the default interval
--- account
ai_health_check timeout=1m;
--- says
timeout=60000ms of "ai_health_check" is not shorter than interval=30000ms -> 4



=== TEST 6: an interval too short
--- account
ai_health_check interval=999ms;
--- says
invalid "interval=999ms" of "ai_health_check", write a time from 1s to 1d -> 4



=== TEST 7: a timeout of nothing
--- account
ai_health_check timeout=0;
--- says
invalid "timeout=0" of "ai_health_check", write a time from 10ms that is shorter than "interval=" -> 4



=== TEST 8: an address that is no path
--- account
ai_health_check uri=models;
--- says
invalid "uri=models" of "ai_health_check", write what follows the path of "base=", such as uri=/models -> 4



=== TEST 9: an address with a variable
--- account
ai_health_check uri=/$host;
--- says
invalid "uri=/$host" of "ai_health_check" -> 4



=== TEST 10: an address that would break the request
--- account
ai_health_check "uri=/a HTTP/1.1";
--- says
invalid "uri=/a HTTP/1.1" of "ai_health_check" -> 4



=== TEST 11: an address too long
--- account
ai_health_check uri=/{ax512};
--- says
invalid "uri=/aaa -> 4



=== TEST 12: a method that may cost
--- account
ai_health_check method=POST;
--- says
invalid "method=POST" of "ai_health_check", write method=GET or method=HEAD -> 4



=== TEST 13: a status that means something
--- account
ai_health_check expect=200,401;
--- says
invalid "expect=200,401" of "ai_health_check", write up to 8 statuses from 200 to 499 such as expect=200,204, but none of 401, 402, 403, 408 and 429 -> 4



=== TEST 14: an error of the server's
--- account
ai_health_check expect=500;
--- says
invalid "expect=500" of "ai_health_check" -> 4



=== TEST 15: a list that ends in a comma
--- account
ai_health_check expect=200,;
--- says
invalid "expect=200," of "ai_health_check" -> 4



=== TEST 16: too many statuses
--- account
ai_health_check expect=200,201,202,203,204,205,206,207,208;
--- says
invalid "expect=200,201,202,203,204,205,206,207,208" of "ai_health_check" -> 4



=== TEST 17: idle is on or off
--- account
ai_health_check idle=yes;
--- says
invalid "idle=yes" of "ai_health_check", write idle=on or idle=off -> 4



=== TEST 18: an unknown parameter of a check
--- account
ai_health_check rise=2;
--- says
unknown parameter "rise=2" of "ai_health_check", use interval=, timeout=, uri=, method=, expect=, idle= -> 4



=== TEST 19: a parameter of a check twice
--- account
ai_health_check interval=5s interval=6s;
--- says
duplicate parameter "interval=" of "ai_health_check" -> 4



=== TEST 20: two checks
--- account
ai_health_check;
ai_health_check;
--- says
"ai_health_check" directive is duplicate -> 5



=== TEST 21: a check in an upstream block that is no account
--- ai
upstream a {
    server 127.0.0.1:1;
    ai_account provider=vllm base=http://a/v1;
}
upstream b {
    server 127.0.0.1:2;
    ai_health_check interval=10s;
}
ai_route m { target a; }
--- says
"ai_health_check" in an upstream block without ai_account, remove it or write "ai_account provider=NAME base=URL key=env:NAME" in the block -> 7



=== TEST 22: a check in http
--- ai
ai_health_check;
--- says
"ai_health_check" directive is not allowed here -> 1
