# Copyright (C) nginx-ai-route contributors

# Traffic classes, backup models and windows: what "nginx -t" refuses and what
# it warns of.  t/lib/AIConf.pm tells what the sections of the blocks mean: in
# ai.conf there are first the accounts a, b and c and an upstream that is none;
# "class" stands from line 13 on, behind a route that has all accounts, "routes"
# from line 12 on, without that route.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';

my $tmp = tmp_dir();

spew("$tmp/deadline", "deadline 60s;\n\nstall 15s;\n");
spew("$tmp/bad", "deadline 60s;\n\nstall 15 s;\n");

my $accounts;

BEGIN {
    $accounts = join('', map {
        "upstream $_ {\n    server 127.0.0.1:1;\n"
        . "    ai_account provider=vllm base=http://$_/v1; }\n"
    } qw(a b c)) . "upstream plain { server 127.0.0.1:1; }\n"
    . "\n";
}

use AIConf wrap => {
    class => $accounts . "ai_route all { target a; target b; target c; }\n"
             . "%s\n",
    routes => $accounts . "%s\n",
};

no_long_string();
run_tests();

__DATA__

=== TEST 1: every statement of a class is silent
--- class
ai_class interactive {
    deadline 60s; connect 3s; send 10s; first_byte 30s; first_token 8s;
    stall 15s; max_duration 10m; attempts 4; retry_same first; max_wait 2s;
    hold 1s 20t; queue 10s max=50; priority 9; allow_backup on;
    yield 30%; reserve_output 4000;
    accounts a b c; expose trail;
}
ai_default_class interactive;
--- silent



=== TEST 2: the least and the most of each value
--- class
ai_class min { deadline 1ms; send 1ms; stall 1ms; first_byte 0;
               max_duration 0; max_wait 0; attempts 1; priority 0;
               hold 0; queue 0; yield 0%; reserve_output 0; }
ai_class off { first_byte off; max_duration off; max_wait off; queue off;
               retry_same off; allow_backup off; hold 5; }
ai_class max { deadline 1d; connect 1d; send 1d; first_byte 1d;
               first_token 1d; stall 1d; max_duration 1d; max_wait 1d;
               attempts 16; priority 9; hold 1d 100000t; queue 1d max=1024;
               retry_same last; yield 90%; reserve_output 1000000;
               allow_backup manual; }
--- silent



=== TEST 3: an empty class
--- class
ai_class c { }
--- silent



=== TEST 4: names of classes
--- class
ai_class A-z_0.9 { }
ai_class {cx64} { }
--- silent



=== TEST 5: a name that is too long
--- class
ai_class {cx65} { }
--- says
invalid name "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc" of "ai_class", write 1 to 64 letters -> 13



=== TEST 6: an empty name
--- class
ai_class "" { }
--- says
invalid name "" of "ai_class", write 1 to 64 letters, digits, "_", "." or "-" -> 13



=== TEST 7: a name with a blank
--- class
ai_class "a b" { }
--- says
invalid name "a b" of "ai_class" -> 13



=== TEST 8: a class without a name
--- class
ai_class { }
--- says
invalid number of arguments in "ai_class" directive -> 13



=== TEST 9: a class twice
--- class
ai_class c { }
ai_class d { }
ai_class c { }
--- says
duplicate ai_class "c", the first is in -> 15



=== TEST 10: the built-in class is adjusted
--- class
ai_class default { deadline 30s; }
ai_default_class default;
--- silent



=== TEST 11: the built-in class is adjusted once
--- class
ai_class default { }
ai_class default { }
--- says
duplicate ai_class "default", the first is in -> 14



=== TEST 12: an unknown word
--- class
ai_class c {
    deadline 60s;
    dead_line 60s;
}
--- says
unknown directive "dead_line" in ai_class "c", use deadline, connect, send, first_byte, first_token, stall, max_duration, attempts, retry_same, max_wait, hold, queue, priority, yield, reserve_output, allow_backup, allow_costlier, allow_family_switch, max_price, accounts, expose or include -> 15



=== TEST 13: max_price without its arguments
--- class
ai_class c { max_price; }
--- says
invalid number of arguments of "max_price" in ai_class "c", write "max_price input=USD output=USD;" -> 13



=== TEST 14: a statement twice
--- class
ai_class c {
    stall 1s;
    deadline 9s;
    stall 2s;
}
--- says
duplicate "stall" in ai_class "c" -> 16



=== TEST 15: a statement twice in two classes
--- class
ai_class c { stall 1s; }
ai_class d { stall 1s; }
--- silent



=== TEST 16: a block in a block
--- class
ai_class c {
    hold { }
}
--- says
unexpected "{" -> 14



=== TEST 17: a block that does not end
--- class
ai_class c {
--- says
unexpected end of file, expecting "}" -> 14



=== TEST 18: a file is included
--- class
ai_class c { include $TMP/deadline; attempts 2; }
--- silent



=== TEST 19: an error in an included file
--- class
ai_class c { include $TMP/bad; }
--- says
invalid number of arguments of "stall" in ai_class "c", write "stall TIME;" -> bad:3



=== TEST 20: a word again in an included file
--- class
ai_class c { stall 1s; include $TMP/deadline; }
--- says
duplicate "stall" in ai_class "c" -> deadline:3



=== TEST 21: an include without a file
--- class
ai_class c { include; }
--- says
"include" in ai_class "c" takes one file, write "include FILE;" -> 13



=== TEST 22: deadline without a time
--- class
ai_class c { deadline; }
--- says
invalid number of arguments of "deadline" in ai_class "c", write "deadline TIME;" -> 13



=== TEST 23: deadline with two times
--- class
ai_class c { deadline 1s 2s; }
--- says
invalid number of arguments of "deadline" in ai_class "c", write "deadline TIME;" -> 13



=== TEST 24: deadline of more than a day
--- class
ai_class c { deadline 86400001ms; }
--- says
invalid value "86400001ms" of "deadline" in ai_class "c", write "deadline TIME;" -> 13



=== TEST 25: deadline that is no time
--- class
ai_class c { deadline 5x; }
--- says
invalid value "5x" of "deadline" in ai_class "c", write "deadline TIME;" -> 13



=== TEST 26: deadline cannot be 0
--- class
ai_class c { deadline 0; }
--- says
invalid value "0" of "deadline" in ai_class "c", write "deadline TIME;" -> 13



=== TEST 27: deadline cannot be off
--- class
ai_class c { deadline off; }
--- says
invalid value "off" of "deadline" in ai_class "c", write "deadline TIME;" -> 13



=== TEST 28: connect without a time
--- class
ai_class c { connect; }
--- says
invalid number of arguments of "connect" in ai_class "c", write "connect TIME;" -> 13



=== TEST 29: connect with two times
--- class
ai_class c { connect 1s 2s; }
--- says
invalid number of arguments of "connect" in ai_class "c", write "connect TIME;" -> 13



=== TEST 30: connect of more than a day
--- class
ai_class c { connect 86400001ms; }
--- says
invalid value "86400001ms" of "connect" in ai_class "c", write "connect TIME;" -> 13



=== TEST 31: connect that is no time
--- class
ai_class c { connect 5x; }
--- says
invalid value "5x" of "connect" in ai_class "c", write "connect TIME;" -> 13



=== TEST 32: connect cannot be 0
--- class
ai_class c { connect 0; }
--- says
invalid value "0" of "connect" in ai_class "c", write "connect TIME;" -> 13



=== TEST 33: connect cannot be off
--- class
ai_class c { connect off; }
--- says
invalid value "off" of "connect" in ai_class "c", write "connect TIME;" -> 13



=== TEST 34: send without a time
--- class
ai_class c { send; }
--- says
invalid number of arguments of "send" in ai_class "c", write "send TIME;" -> 13



=== TEST 35: send with two times
--- class
ai_class c { send 1s 2s; }
--- says
invalid number of arguments of "send" in ai_class "c", write "send TIME;" -> 13



=== TEST 36: send of more than a day
--- class
ai_class c { send 86400001ms; }
--- says
invalid value "86400001ms" of "send" in ai_class "c", write "send TIME;" -> 13



=== TEST 37: send that is no time
--- class
ai_class c { send 5x; }
--- says
invalid value "5x" of "send" in ai_class "c", write "send TIME;" -> 13



=== TEST 38: send cannot be 0
--- class
ai_class c { send 0; }
--- says
invalid value "0" of "send" in ai_class "c", write "send TIME;" -> 13



=== TEST 39: send cannot be off
--- class
ai_class c { send off; }
--- says
invalid value "off" of "send" in ai_class "c", write "send TIME;" -> 13



=== TEST 40: first_byte without a time
--- class
ai_class c { first_byte; }
--- says
invalid number of arguments of "first_byte" in ai_class "c", write "first_byte TIME|off;" -> 13



=== TEST 41: first_byte with two times
--- class
ai_class c { first_byte 1s 2s; }
--- says
invalid number of arguments of "first_byte" in ai_class "c", write "first_byte TIME|off;" -> 13



=== TEST 42: first_byte of more than a day
--- class
ai_class c { first_byte 86400001ms; }
--- says
invalid value "86400001ms" of "first_byte" in ai_class "c", write "first_byte TIME|off;" -> 13



=== TEST 43: first_byte that is no time
--- class
ai_class c { first_byte 5x; }
--- says
invalid value "5x" of "first_byte" in ai_class "c", write "first_byte TIME|off;" -> 13



=== TEST 44: first_token without a time
--- class
ai_class c { first_token; }
--- says
invalid number of arguments of "first_token" in ai_class "c", write "first_token TIME;" -> 13



=== TEST 45: first_token with two times
--- class
ai_class c { first_token 1s 2s; }
--- says
invalid number of arguments of "first_token" in ai_class "c", write "first_token TIME;" -> 13



=== TEST 46: first_token of more than a day
--- class
ai_class c { first_token 86400001ms; }
--- says
invalid value "86400001ms" of "first_token" in ai_class "c", write "first_token TIME;" -> 13



=== TEST 47: first_token that is no time
--- class
ai_class c { first_token 5x; }
--- says
invalid value "5x" of "first_token" in ai_class "c", write "first_token TIME;" -> 13



=== TEST 48: first_token cannot be 0
--- class
ai_class c { first_token 0; }
--- says
invalid value "0" of "first_token" in ai_class "c", write "first_token TIME;" -> 13



=== TEST 49: first_token cannot be off
--- class
ai_class c { first_token off; }
--- says
invalid value "off" of "first_token" in ai_class "c", write "first_token TIME;" -> 13



=== TEST 50: stall without a time
--- class
ai_class c { stall; }
--- says
invalid number of arguments of "stall" in ai_class "c", write "stall TIME;" -> 13



=== TEST 51: stall with two times
--- class
ai_class c { stall 1s 2s; }
--- says
invalid number of arguments of "stall" in ai_class "c", write "stall TIME;" -> 13



=== TEST 52: stall of more than a day
--- class
ai_class c { stall 86400001ms; }
--- says
invalid value "86400001ms" of "stall" in ai_class "c", write "stall TIME;" -> 13



=== TEST 53: stall that is no time
--- class
ai_class c { stall 5x; }
--- says
invalid value "5x" of "stall" in ai_class "c", write "stall TIME;" -> 13



=== TEST 54: stall cannot be 0
--- class
ai_class c { stall 0; }
--- says
invalid value "0" of "stall" in ai_class "c", write "stall TIME;" -> 13



=== TEST 55: stall cannot be off
--- class
ai_class c { stall off; }
--- says
invalid value "off" of "stall" in ai_class "c", write "stall TIME;" -> 13



=== TEST 56: max_duration without a time
--- class
ai_class c { max_duration; }
--- says
invalid number of arguments of "max_duration" in ai_class "c", write "max_duration TIME|off;" -> 13



=== TEST 57: max_duration with two times
--- class
ai_class c { max_duration 1s 2s; }
--- says
invalid number of arguments of "max_duration" in ai_class "c", write "max_duration TIME|off;" -> 13



=== TEST 58: max_duration of more than a day
--- class
ai_class c { max_duration 86400001ms; }
--- says
invalid value "86400001ms" of "max_duration" in ai_class "c", write "max_duration TIME|off;" -> 13



=== TEST 59: max_duration that is no time
--- class
ai_class c { max_duration 5x; }
--- says
invalid value "5x" of "max_duration" in ai_class "c", write "max_duration TIME|off;" -> 13



=== TEST 60: max_wait without a time
--- class
ai_class c { max_wait; }
--- says
invalid number of arguments of "max_wait" in ai_class "c", write "max_wait TIME|off;" -> 13



=== TEST 61: max_wait with two times
--- class
ai_class c { max_wait 1s 2s; }
--- says
invalid number of arguments of "max_wait" in ai_class "c", write "max_wait TIME|off;" -> 13



=== TEST 62: max_wait of more than a day
--- class
ai_class c { max_wait 86400001ms; }
--- says
invalid value "86400001ms" of "max_wait" in ai_class "c", write "max_wait TIME|off;" -> 13



=== TEST 63: max_wait that is no time
--- class
ai_class c { max_wait 5x; }
--- says
invalid value "5x" of "max_wait" in ai_class "c", write "max_wait TIME|off;" -> 13



=== TEST 64: attempts 0
--- class
ai_class c { attempts 0; }
--- says
invalid value "0" of "attempts" in ai_class "c", write "attempts 1..16;" -> 13



=== TEST 65: attempts 17
--- class
ai_class c { attempts 17; }
--- says
invalid value "17" of "attempts" in ai_class "c", write "attempts 1..16;" -> 13



=== TEST 66: attempts many
--- class
ai_class c { attempts many; }
--- says
invalid value "many" of "attempts" in ai_class "c", write "attempts 1..16;" -> 13



=== TEST 67: attempts -1
--- class
ai_class c { attempts -1; }
--- says
invalid value "-1" of "attempts" in ai_class "c", write "attempts 1..16;" -> 13



=== TEST 68: priority 10
--- class
ai_class c { priority 10; }
--- says
invalid value "10" of "priority" in ai_class "c", write "priority 0..9;" -> 13



=== TEST 69: priority low
--- class
ai_class c { priority low; }
--- says
invalid value "low" of "priority" in ai_class "c", write "priority 0..9;" -> 13



=== TEST 70: retry_same with another word
--- class
ai_class c { retry_same on; }
--- says
invalid value "on" of "retry_same" in ai_class "c", write "retry_same first|last|off;" -> 13



=== TEST 71: allow_backup with another word
--- class
ai_class c { allow_backup yes; }
--- says
invalid value "yes" of "allow_backup" in ai_class "c", write "allow_backup on|off|manual;" -> 13



=== TEST 72: expose with another word
--- class
ai_class c { expose trails; }
--- says
invalid value "trails" of "expose" in ai_class "c", write "expose trail;" -> 13



=== TEST 73: expose without a word
--- class
ai_class c { expose; }
--- says
invalid number of arguments of "expose" in ai_class "c", write "expose trail;" -> 13



=== TEST 74: hold without a value
--- class
ai_class c { hold; }
--- says
invalid number of arguments of "hold" in ai_class "c", write "hold TIME|TOKENSt [TIME|TOKENSt];" -> 13



=== TEST 75: hold with three values
--- class
ai_class c { hold 1s 20t 3; }
--- says
invalid number of arguments of "hold" in ai_class "c", write "hold TIME|TOKENSt [TIME|TOKENSt];" -> 13



=== TEST 76: hold with two times
--- class
ai_class c { hold 1s 2s; }
--- says
invalid value "2s" of "hold" in ai_class "c", write "hold TIME|TOKENSt [TIME|TOKENSt];" -> 13



=== TEST 77: hold with two numbers of tokens
--- class
ai_class c { hold 20t 30; }
--- says
invalid value "30" of "hold" in ai_class "c", write "hold TIME|TOKENSt [TIME|TOKENSt];" -> 13



=== TEST 78: hold with too many tokens
--- class
ai_class c { hold 100001t; }
--- says
invalid value "100001t" of "hold" in ai_class "c", write "hold TIME|TOKENSt [TIME|TOKENSt];" -> 13



=== TEST 79: hold with neither
--- class
ai_class c { hold t; }
--- says
invalid value "t" of "hold" in ai_class "c", write "hold TIME|TOKENSt [TIME|TOKENSt];" -> 13



=== TEST 80: hold with an unknown unit
--- class
ai_class c { hold 20x; }
--- says
invalid value "20x" of "hold" in ai_class "c", write "hold TIME|TOKENSt [TIME|TOKENSt];" -> 13



=== TEST 81: queue without a time
--- class
ai_class c { queue; }
--- says
invalid number of arguments of "queue" in ai_class "c", write "queue TIME [max=1..1024]|off;" -> 13



=== TEST 82: queue with an unknown unit
--- class
ai_class c { queue 1q; }
--- says
invalid value "1q" of "queue" in ai_class "c", write "queue TIME [max=1..1024]|off;" -> 13



=== TEST 83: queue with max=0
--- class
ai_class c { queue 10s max=0; }
--- says
invalid value "max=0" of "queue" in ai_class "c", write "queue TIME [max=1..1024]|off;" -> 13



=== TEST 84: queue with max=1025
--- class
ai_class c { queue 10s max=1025; }
--- says
invalid value "max=1025" of "queue" in ai_class "c", write "queue TIME [max=1..1024]|off;" -> 13



=== TEST 85: queue with max=
--- class
ai_class c { queue 10s max=; }
--- says
invalid value "max=" of "queue" in ai_class "c", write "queue TIME [max=1..1024]|off;" -> 13



=== TEST 86: queue with max=x
--- class
ai_class c { queue 10s max=x; }
--- says
invalid value "max=x" of "queue" in ai_class "c", write "queue TIME [max=1..1024]|off;" -> 13



=== TEST 87: queue with min=1
--- class
ai_class c { queue 10s min=1; }
--- says
invalid value "min=1" of "queue" in ai_class "c", write "queue TIME [max=1..1024]|off;" -> 13



=== TEST 88: queue with 100
--- class
ai_class c { queue 10s 100; }
--- says
invalid value "100" of "queue" in ai_class "c", write "queue TIME [max=1..1024]|off;" -> 13



=== TEST 89: queue off needs no max
--- class
ai_class c { queue off max=5; }
--- says
invalid value "max=5" of "queue" in ai_class "c", write "queue TIME [max=1..1024]|off;" -> 13



=== TEST 90: accounts without a name
--- class
ai_class c { accounts; }
--- says
invalid number of arguments of "accounts" in ai_class "c", write "accounts ACCOUNT ...;" -> 13



=== TEST 91: accounts in either case
--- class
ai_class c { accounts A; }
--- silent



=== TEST 92: an account twice
--- class
ai_class c { accounts a b A; }
--- says
duplicate account "A" in "accounts" of ai_class "c" -> 13



=== TEST 93: an unknown account
--- class
ai_class c {
    accounts a
        d;
}
--- says
unknown account "d" in ai_class "c", write an upstream block of that name with ai_account -> 15



=== TEST 94: an upstream that is no account
--- class
ai_class c { accounts plain; }
--- says
upstream "plain" in ai_class "c" is no account, write "ai_account provider=NAME base=URL key=env:NAME" in its block -> 13



=== TEST 95: accounts stand behind the class
--- ai
ai_class c { accounts a; }
ai_default_class c;
ai_route m { target a; }
upstream a { server 127.0.0.1:1; ai_account provider=vllm base=http://a/v1; }
--- silent



=== TEST 96: connect beyond the deadline
--- class
ai_class c {
    connect 21s;
    deadline 20s;
}
--- warns
"connect" of ai_class "c" is longer than its deadline of 20000ms, which ends it, lower it or raise "deadline" -> 13



=== TEST 97: first_byte beyond the deadline
--- class
ai_class c {
    first_byte 21s;
    deadline 20s;
}
--- warns
"first_byte" of ai_class "c" is longer than its deadline of 20000ms, which ends it, lower it or raise "deadline" -> 13



=== TEST 98: first_token beyond the deadline
--- class
ai_class c {
    first_token 21s;
    deadline 20s;
}
--- warns
"first_token" of ai_class "c" is longer than its deadline of 20000ms, which ends it, lower it or raise "deadline" -> 13



=== TEST 99: max_wait beyond the deadline
--- class
ai_class c {
    max_wait 21s;
    deadline 20s;
}
--- warns
"max_wait" of ai_class "c" is longer than its deadline of 20000ms, which ends it, lower it or raise "deadline" -> 13



=== TEST 100: queue beyond the deadline
--- class
ai_class c {
    queue 21s;
    deadline 20s;
}
--- warns
"queue" of ai_class "c" is longer than its deadline of 20000ms, which ends it, lower it or raise "deadline" -> 13



=== TEST 101: a deadline below the other defaults
--- class
ai_class c { deadline 1s; }
--- silent



=== TEST 102: stall, send and max_duration are not bound by the deadline
--- class
ai_class c { deadline 1s; stall 2s; send 2s; max_duration 1m; }
--- silent



=== TEST 103: retry_same first with one attempt
--- class
ai_class c { attempts 1; retry_same first; }
--- warns
"retry_same first" of ai_class "c" means nothing with "attempts 1", remove one of them -> 13



=== TEST 104: an unknown default class
--- class
ai_class c { }
ai_class d { }
ai_default_class e;
--- says
unknown class "e" in "ai_default_class", write one of: "default", "c", "d" -> 15



=== TEST 105: the default class stands before its class
--- class
ai_default_class c;
ai_class c { }
--- silent



=== TEST 106: names of classes have a case
--- class
ai_class c { }
ai_default_class C;
--- says
unknown class "C" in "ai_default_class", write one of: "default", "c" -> 14



=== TEST 107: two default classes
--- class
ai_class c { }
ai_default_class c;
ai_default_class c;
--- says
"ai_default_class" directive is duplicate -> 15



=== TEST 108: a default class without a name
--- class
ai_default_class;
--- says
invalid number of arguments in "ai_default_class" directive -> 13



=== TEST 109: a class without any account of a route
--- routes
ai_class c {
    accounts a;
}
ai_route m { target b; target c; }
ai_route n { target a; target b; }
ai_route o* p { target b; }
--- warns
"accounts" of ai_class "c" has no account of the routes "m", "o*": their models are not available to this class -> 13



=== TEST 110: a class without any account of many routes
--- routes
ai_class c { accounts a; }
ai_route m { target a; target b; target c; }
ai_route m0 { target b; }
ai_route m1 { target b; }
ai_route m2 { target b; }
ai_route m3 { target b; }
ai_route m4 { target b; }
ai_route m5 { target b; }
ai_route m6 { target b; }
ai_route m7 { target b; }
ai_route m8 { target b; }
ai_route m9 { target b; }
ai_route m10 { target b; }
--- warns
has no account of the routes "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7" and 3 more: their models are not available to this class -> 12



=== TEST 111: a class that loses a backup
--- routes
ai_route m { target a; backup n o; }
ai_route n { target b; }
ai_route o { target a; target c; }
ai_class c { accounts a; }
--- warns
"accounts" of ai_class "c" has no account of the routes "n": their models are not available to this class -> 15
"accounts" of ai_class "c" has no account of the backup models "n" of ai_route "m", add one, or write "allow_backup off;" -> 15



=== TEST 112: a class that wants no backup
--- routes
ai_route m { target a; backup n; }
ai_route n { target b; target c; }
ai_class c { allow_backup off; }
ai_class d { accounts a c; allow_backup off; }
--- silent



=== TEST 113: backup models
--- routes
ai_route m m-* { target a; backup n o-2; window 128k; backup p; }
ai_route n { target b; backup o-1; }
ai_route o-* { target c; backup p; }
ai_route p { target a; }
--- silent



=== TEST 114: a backup model is found by the longest match
--- routes
ai_route m-* { target a; backup m-large-1; }
ai_route m-large-* { target b; }
ai_route rest { target c; }
--- silent



=== TEST 115: a backup model of the same route
--- routes
ai_route m m-* { target a; target b; target c; backup m-2; }
--- says
the backup model "m-2" of ai_route "m" is served by the same route, write a model of another ai_route -> 12



=== TEST 116: a backup model that no route serves
--- routes
ai_route m { target a; target b; target c;
    backup n; }
--- says
no route serves the backup model "n" of ai_route "m", write "ai_route n { target ACCOUNT; }" -> 13



=== TEST 117: names of backup models have a case
--- routes
ai_route m { target a; backup N; }
ai_route n { target a; }
--- says
no route serves the backup model "N" of ai_route "m" -> 12



=== TEST 118: a pattern as a backup
--- routes
ai_route m { target a; backup n-*; }
ai_route n-* { target a; }
--- says
"*" in "backup n-*" of ai_route "m", write the full name of one model -> 12



=== TEST 119: a backup model with a quote
--- routes
ai_route m { target a; backup 'n"'; }
--- says
model name in "backup" has a blank, a quote -> 12



=== TEST 120: a backup model without a name
--- routes
ai_route m { target a; backup ""; }
--- says
empty model name in "backup" -> 12



=== TEST 121: backup without a model
--- routes
ai_route m { target a; backup; }
--- says
invalid number of arguments of "backup" in ai_route "m", write "backup MODEL;" -> 12



=== TEST 122: a backup model twice
--- routes
ai_route m { target a; backup n; backup o n; }
--- says
duplicate "backup n" in ai_route "m" -> 12



=== TEST 123: sixteen backup models
--- routes
ai_route m { target a; backup b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 b11 b12 b13 b14 b15; }
ai_route b* { target b; target c; }
--- silent



=== TEST 124: seventeen backup models
--- routes
ai_route m { target a; backup b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 b11 b12 b13 b14 b15 b16; }
ai_route b* { target b; }
--- says
more than 16 backup models in ai_route "m" -> 12



=== TEST 125: a cycle of two
--- routes
ai_route m { target a; backup n; }
ai_route n { target b; backup m; }
--- says
backup cycle: m -> n -> m, remove one of these backups -> 13



=== TEST 126: a cycle of three behind a route that is not in it
--- routes
ai_route k { target a; backup z m-1; }
ai_route m-* { target a; backup n; }
ai_route z { target a; }
ai_route n { target b; backup z o; }
ai_route o { target b; backup m-2; }
--- says
backup cycle: m-2 -> n -> o -> m-2, remove one of these backups -> 16



=== TEST 127: a diamond is no cycle
--- routes
ai_route m { target a; backup n o; }
ai_route n { target b; backup p; }
ai_route o { target c; backup p; }
ai_route p { target a; }
--- silent



=== TEST 128: window 1
--- routes
ai_route m { target a; target b; target c; window 1; }
--- silent



=== TEST 129: window 200000
--- routes
ai_route m { target a; target b; target c; window 200000; }
--- silent



=== TEST 130: window 128k
--- routes
ai_route m { target a; target b; target c; window 128k; }
--- silent



=== TEST 131: window 2m
--- routes
ai_route m { target a; target b; target c; window 2m; }
--- silent



=== TEST 132: window 1000m
--- routes
ai_route m { target a; target b; target c; window 1000m; }
--- silent



=== TEST 133: window 1000000000
--- routes
ai_route m { target a; target b; target c; window 1000000000; }
--- silent



=== TEST 134: window 1K
--- routes
ai_route m { target a; target b; target c; window 1K; }
--- silent



=== TEST 135: window 1M
--- routes
ai_route m { target a; target b; target c; window 1M; }
--- silent



=== TEST 136: window 0
--- routes
ai_route m { target a; window 0; }
--- says
invalid "window 0" in ai_route "m", write a number of tokens up to 1000m such as 128k or 200000 -> 12



=== TEST 137: window 0k
--- routes
ai_route m { target a; window 0k; }
--- says
invalid "window 0k" in ai_route "m", write a number of tokens up to 1000m such as 128k or 200000 -> 12



=== TEST 138: window -1
--- routes
ai_route m { target a; window -1; }
--- says
invalid "window -1" in ai_route "m", write a number of tokens up to 1000m such as 128k or 200000 -> 12



=== TEST 139: window k
--- routes
ai_route m { target a; window k; }
--- says
invalid "window k" in ai_route "m", write a number of tokens up to 1000m such as 128k or 200000 -> 12



=== TEST 140: window 1g
--- routes
ai_route m { target a; window 1g; }
--- says
invalid "window 1g" in ai_route "m", write a number of tokens up to 1000m such as 128k or 200000 -> 12



=== TEST 141: window 1.5m
--- routes
ai_route m { target a; window 1.5m; }
--- says
invalid "window 1.5m" in ai_route "m", write a number of tokens up to 1000m such as 128k or 200000 -> 12



=== TEST 142: window 1001m
--- routes
ai_route m { target a; window 1001m; }
--- says
invalid "window 1001m" in ai_route "m", write a number of tokens up to 1000m such as 128k or 200000 -> 12



=== TEST 143: window 1000000001
--- routes
ai_route m { target a; window 1000000001; }
--- says
invalid "window 1000000001" in ai_route "m", write a number of tokens up to 1000m such as 128k or 200000 -> 12



=== TEST 144: window ""
--- routes
ai_route m { target a; window ""; }
--- says
invalid "window " in ai_route "m", write a number of tokens up to 1000m such as 128k or 200000 -> 12



=== TEST 145: window 99999999999999999999k
--- routes
ai_route m { target a; window 99999999999999999999k; }
--- says
invalid "window 99999999999999999999k" in ai_route "m", write a number of tokens up to 1000m such as 128k or 200000 -> 12



=== TEST 146: window without a number
--- routes
ai_route m { target a; window; }
--- says
invalid number of arguments of "window" in ai_route "m", write "window TOKENS;" -> 12



=== TEST 147: window twice
--- routes
ai_route m { target a; window 1k; window 2k; }
--- says
duplicate "window" in ai_route "m" -> 12



=== TEST 148: ai_status
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status; }
}
--- silent



=== TEST 149: ai_status with admin=
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai { ai_status admin=sha256:0123456789abcdefABCDEF000000000000000000000000000000000000000000; }
}
--- silent



=== TEST 150: ai_status with a secret instead of its hash
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status admin=s3cr3t; }
}
--- says
invalid parameter of "ai_status", not shown because it may be a secret, write "ai_status [admin=sha256:HEX];" with the 64 digits of "printf %s SECRET | sha256sum" -> 14



=== TEST 151: ai_status with an unknown parameter
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status s3cr3t; }
}
--- says
invalid parameter of "ai_status", not shown because it may be a secret, write "ai_status [admin=sha256:HEX];" with the 64 digits of "printf %s SECRET | sha256sum" -> 14



=== TEST 152: ai_status with a short hash
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status admin=sha256:0123456789abcdefABCDEF00000000000000000000000000000000000000000; }
}
--- says
invalid parameter of "ai_status", not shown because it may be a secret, write "ai_status [admin=sha256:HEX];" with the 64 digits of "printf %s SECRET | sha256sum" -> 14



=== TEST 153: ai_status with a long hash
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status admin=sha256:0123456789abcdefABCDEF0000000000000000000000000000000000000000000; }
}
--- says
invalid parameter of "ai_status", not shown because it may be a secret, write "ai_status [admin=sha256:HEX];" with the 64 digits of "printf %s SECRET | sha256sum" -> 14



=== TEST 154: ai_status with a hash that is not hexadecimal
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status admin=sha256:0123456789abcdefABCDEF00000000000000000000000000000000000000000g; }
}
--- says
invalid parameter of "ai_status", not shown because it may be a secret, write "ai_status [admin=sha256:HEX];" with the 64 digits of "printf %s SECRET | sha256sum" -> 14



=== TEST 155: ai_status with another hash
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status admin=sha512:0123456789abcdefABCDEF000000000000000000000000000000000000000000; }
}
--- says
invalid parameter of "ai_status", not shown because it may be a secret, write "ai_status [admin=sha256:HEX];" with the 64 digits of "printf %s SECRET | sha256sum" -> 14



=== TEST 156: ai_status with the hash of nothing
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status admin=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855; }
}
--- says
"admin=" of "ai_status" is the hash of nothing, write that of a secret -> 14



=== TEST 157: ai_status with two parameters
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status admin=sha256:0123456789abcdefABCDEF000000000000000000000000000000000000000000 x; }
}
--- says
invalid number of arguments in "ai_status" directive -> 14



=== TEST 158: ai_status in a regular expression location
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location ~ ^/ai/ { ai_status; }
}
--- says
"ai_status" cannot be in a regular expression location, use a prefix location such as location /ai/ { ai_status; } -> 14



=== TEST 159: ai_status in an exact location
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location = /ai/ { ai_status; }
}
--- says
"ai_status" cannot be in an exact location, use a prefix location such as location /ai/ { ai_status; } -> 14



=== TEST 160: ai_status in a named location
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location @ai { ai_status; }
}
--- says
"ai_status" cannot be in a named location, use a prefix location such as location /ai/ { ai_status; } -> 14



=== TEST 161: ai_status in "if"
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { if ($arg_a) { ai_status; } }
}
--- says
"ai_status" cannot be in "if", use a prefix location such as location /ai/ { ai_status; } -> 14



=== TEST 162: ai_status in "limit_except"
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { limit_except GET { ai_status; } }
}
--- says
"ai_status" cannot be in "limit_except", use a prefix location such as location /ai/ { ai_status; } -> 14



=== TEST 163: ai_status twice
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status; ai_status; }
}
--- says
"ai_status" directive is duplicate -> 14



=== TEST 164: ai_status behind ai_pass
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_pass; ai_status; }
}
--- says
"ai_status" in location "/ai/" stands beside another content handler, write only one of them -> 14



=== TEST 165: ai_status before ai_pass
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status; ai_pass; }
}
--- says
"ai_pass" in location "/ai/" stands beside another content handler, write only one of them -> 14



=== TEST 166: ai_status before proxy_pass
--- class
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /ai/ { ai_status; proxy_pass http://127.0.0.1:1; }
}
--- says
"ai_status" in location "/ai/" stands beside another content handler, write only one of them -> 14



=== TEST 167: yield without a percent sign
--- class
ai_class c { yield 30; }
--- says
invalid value "30" of "yield" in ai_class "c", write "yield 0%..90%;" -> 13



=== TEST 168: yield of too much
--- class
ai_class c { yield 91%; }
--- says
invalid value "91%" of "yield" in ai_class "c", write "yield 0%..90%;" -> 13



=== TEST 169: yield: no number
--- class
ai_class c { yield %; }
--- says
invalid value "%" of "yield" in ai_class "c" -> 13



=== TEST 170: reserve_output: too large
--- class
ai_class c { reserve_output 1000001; }
--- says
invalid value "1000001" of "reserve_output" in ai_class "c", write "reserve_output 0..1000000;" -> 13



=== TEST 171: reserve_output: negative
--- class
ai_class c { reserve_output -1; }
--- says
invalid value "-1" of "reserve_output" in ai_class "c" -> 13



=== TEST 172: reserve_output: with a unit
--- class
ai_class c { reserve_output 4k; }
--- says
invalid value "4k" of "reserve_output" in ai_class "c" -> 13



=== TEST 173: reserve_output twice
--- class
ai_class c { reserve_output 4; reserve_output 5; }
--- says
duplicate "reserve_output" in ai_class "c" -> 13
