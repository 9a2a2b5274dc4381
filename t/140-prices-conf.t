# Copyright (C) nginx-ai-route contributors

# Prices: which maps, ai_price lines and classes "nginx -t" refuses, and what
# it warns of.  t/lib/AIConf.pm tells what the sections of the blocks mean: in
# ai.conf there are first the accounts a (lines 1 to 3, open for more) and b;
# "account" stands in a from line 4 on, "http" from line 7 on.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';

my $tmp = tmp_dir();

my $good = qq("input_cost_per_token": 1e-6, "output_cost_per_token": "2e-06");

spew("$tmp/good", <<"END");
{"sample_spec": {"input_cost_per_token": "a number", "x": [{}, null, 1]},
 "fallback_generalizations": [1, {"rules": []}],
 "m": {$good, "max_input_tokens": 128000, "mode": "chat", "other": [{"a":[]}],
       "search_context_cost_per_query": {"input_cost_per_token": "x"},
       "cache_read_input_token_cost": null},
 "free": {"input_cost_per_token": 0, "output_cost_per_token": 0.0},
 "least": {"input_cost_per_token": 1e-12, "output_cost_per_token": 1E-12},
 "none": {},
 "hosted_vllm/own": {$good},
 "tiers": {"tiered_pricing": [
     {"input_cost_per_token": 1e-6, "range": [0, 256e3]},
     {"range": [256000.0, 1e6], "input_cost_per_token": 2e-6}],
   "input_cost_per_token": 1e-6, "output_cost_per_token": 1}}
END

spew("$tmp/empty", '');
spew("$tmp/nothing", '{}');
spew("$tmp/skipped", '{"sample_spec":{}}');
spew("$tmp/array", "[\n]");
spew("$tmp/number", '12');
spew("$tmp/null", 'null');
spew("$tmp/cut", "{\n\"m\": {$good");
spew("$tmp/garbage", "{\"m\":{$good}}\n\n x");
spew("$tmp/comma", "{\n\"m\": {\n$good,,\n}}");
spew("$tmp/model", qq({"m":{$good},\n\n"n":"gpt"}));
spew("$tmp/model_null", qq({"n":null}));
spew("$tmp/string", qq({"m":{\n"input_cost_per_token":"cheap"}}));
spew("$tmp/nan", qq({"m":{"input_cost_per_token":"NaN"}}));
spew("$tmp/negative", qq({"m":{$good},\n"n":{\n"cache_read_input_token_cost":-1e-9}}));
spew("$tmp/minus", qq({"m":{"output_cost_per_token":"-1"}}));
spew("$tmp/huge", qq({"m":{"output_cost_per_token_flex":1e300}}));
spew("$tmp/bool", qq({"m":{"output_cost_per_token":true}}));
spew("$tmp/list", qq({"m":{"output_cost_per_token":[1]}}));
spew("$tmp/object", qq({"m":{"output_cost_per_token":{}}}));
spew("$tmp/twice", qq({"m":{$good},"n":{$good},"m":{$good}}));
spew("$tmp/two", qq({"m":{"input_cost_per_token":1,"input_cost_per_token":2}}));
spew("$tmp/window", qq({"m":{"max_input_tokens":"128k"}}));
spew("$tmp/range", qq({"m":{"tiered_pricing":[{"input_cost_per_token":1}]}}));
spew("$tmp/tiers", qq({"m":{"tiered_pricing":1}}));
spew("$tmp/deep", '{"m":{"x":' . '[' x 100 . ']' x 100 . '}}');
# behind the first block of 64 KB
spew("$tmp/late", "{\n" . join('', map { qq("m$_": {$good},\n) } 1 .. 2000)
             . qq("n": {"input_cost_per_token": -1}}));
spew("$tmp/keys", qq({"keys":[{"id":"other","hash":"sha256:@{['c' x 64]}"},\n)
             . qq({"id":"filed","hash":"sha256:@{['d' x 64]}",\n)
             . qq("budget":[{"usd":5,"per":"day"}]}]}));
chmod 0644, "$tmp/keys";
mkdir "$tmp/dir" or die;

# third-party data, not part of this project
my $real = '../shared/prices/model_prices.json';
-f $real ? symlink Cwd::realpath($real), "$tmp/real"
         : spew("$tmp/real", qq({"gpt-4o":{$good},"claude-sonnet-4-5":{$good}}));

my ($a, $b);

BEGIN {
    $a = "upstream a {\n    server 127.0.0.1:1;\n"
         . "    ai_account provider=vllm base=http://a/v1;\n";
    $b = "}\nupstream b { server 127.0.0.1:1;\n"
         . "    ai_account provider=vllm base=http://b/v1; }\n";
}

use AIConf wrap => {
    account => "$a%s\n$b" . "ai_route m { target a; target b; }\n",
    http => "$a$b%s\n",
    map => "$a$b" . "ai_prices \$TMP/%s;\nai_route m { target a; target b; }\n",
};

no_long_string();
run_tests();

__DATA__

=== TEST 1: a map with all that there may be in it
--- map
good
--- silent



=== TEST 2: all parameters of ai_price, in http and in an account
--- ai
ai_price m input=2.5 output=10 cache_read=1.25 cache_write=3.125
           cache_write_1h=5 reasoning=10 request=0.01;
ai_price * input=0 output=0.000001;
ai_price tts character=0.000015;
ai_price image image=0.04 input=5 output=40 request=0;
ai_price whisper second=0.0001;
ai_price rerank query=0.002 input=0;
ai_price org/m:v1 input=1e-6 output=1000000000000;
upstream a {
    ai_price m output=1 input=1;
    ai_price * output=1 input=1;
    server 127.0.0.1:1;
    ai_account provider=vllm base=http://a/v1;
}
ai_route m { target a; }
--- silent



=== TEST 3: no such file
--- map
missing
--- says
price map "$TMP/missing" of "ai_prices" cannot be opened -> 7



=== TEST 4: a directory
--- map
dir
--- says
price map "$TMP/dir" of "ai_prices" is no regular file -> 7



=== TEST 5: an empty file
--- map
empty
--- says
price map "$TMP/empty" of "ai_prices", line 1: parse error: premature EOF -> 7



=== TEST 6: no model
--- map
nothing
--- says
price map "$TMP/nothing" of "ai_prices" has no model -> 7



=== TEST 7: only what is none
--- map
skipped
--- says
price map "$TMP/skipped" of "ai_prices" has no model -> 7



=== TEST 8: an array
--- map
array
--- says
price map "$TMP/array" of "ai_prices", line 1: an array is no price map -> 7



=== TEST 9: a number
--- map
number
--- says
price map "$TMP/number" of "ai_prices", line 1: a scalar is no price map -> 7



=== TEST 10: null
--- map
null
--- says
price map "$TMP/null" of "ai_prices", line 1: null is no price map -> 7



=== TEST 11: a file that is cut off
--- map
cut
--- says
price map "$TMP/cut" of "ai_prices", line 2: parse error: premature EOF -> 7



=== TEST 12: garbage behind it
--- map
garbage
--- says
price map "$TMP/garbage" of "ai_prices", line 3: parse error: trailing garbage -> 7



=== TEST 13: an error of the grammar
--- map
comma
--- says
price map "$TMP/comma" of "ai_prices", line 3: parse error: -> 7



=== TEST 14: a model that is no object
--- map
model
--- says
price map "$TMP/model" of "ai_prices", line 3: model "n" is no object, write an object with its prices -> 7



=== TEST 15: a model that is null
--- map
model_null
--- says
price map "$TMP/model_null" of "ai_prices", line 1: model "n" is null -> 7



=== TEST 16: words for a price
--- map
string
--- says
price map "$TMP/string" of "ai_prices", line 2: "input_cost_per_token" of model "m" is "cheap", which is no decimal number -> 7



=== TEST 17: not a number
--- map
nan
--- says
"input_cost_per_token" of model "m" is "NaN", which is no decimal number -> 7



=== TEST 18: a negative price
--- map
negative
--- says
price map "$TMP/negative" of "ai_prices", line 3: "cache_read_input_token_cost" of model "n" is "-1e-9", which is negative or too large -> 7



=== TEST 19: a negative price in quotes
--- map
minus
--- says
"output_cost_per_token" of model "m" is "-1", which is negative or too large -> 7



=== TEST 20: a huge price
--- map
huge
--- says
"output_cost_per_token_flex" of model "m" is "1e300", which is negative or too large -> 7



=== TEST 21: true for a price
--- map
bool
--- says
"output_cost_per_token" of model "m" is true -> 7



=== TEST 22: an array for a price
--- map
list
--- says
"output_cost_per_token" of model "m" is an array -> 7



=== TEST 23: an object for a price
--- map
object
--- says
"output_cost_per_token" of model "m" is an object -> 7



=== TEST 24: a model twice
--- map
twice
--- says
price map "$TMP/twice" of "ai_prices" has the model "m" twice, keep one of them -> 7



=== TEST 25: two prices for one thing
--- map
two
--- says
model "m" has two prices of one kind, the second is near "input_cost_per_token" -> 7



=== TEST 26: a window that is no number
--- map
window
--- says
"max_input_tokens" of model "m" is "128k", which is no decimal number -> 7



=== TEST 27: tiers without ranges
--- map
range
--- says
"tiered_pricing" of model "m" has prices without a "range" of tokens -> 7



=== TEST 28: tiers that are none
--- map
tiers
--- says
"tiered_pricing" of model "m" is no array -> 7



=== TEST 29: nested too deep
--- map
deep
--- says
price map "$TMP/deep" of "ai_prices", line 1: nested too deep -> 7



=== TEST 30: the line is counted through the whole file
--- map
late
--- says
price map "$TMP/late" of "ai_prices", line 2002: "input_cost_per_token" of model "n" is "-1" -> 7



=== TEST 31: two maps
--- http
ai_prices $TMP/good;
ai_prices $TMP/good;
ai_route m { target a; target b; }
--- says
"ai_prices" directive is duplicate -> 8



=== TEST 32: an empty path
--- http
ai_prices "";
ai_route m { target a; target b; }
--- says
empty path in "ai_prices", write "ai_prices FILE" -> 7



=== TEST 33: ai_price without a price
--- account
    ai_price m input=1;
--- says
"ai_price m" has no "output=", write "ai_price MODEL input=USD output=USD", in USD per million tokens; 0 is free -> 4



=== TEST 34: without a model
--- account
    ai_price input=1 output=1;
--- says
"ai_price input=1" has no "input=" -> 4



=== TEST 35: a pattern
--- account
    ai_price m* input=1 output=1;
--- says
"*" in the model "m*" of "ai_price", write a full name, or "*" alone for all others -> 4



=== TEST 36: an unknown parameter
--- account
    ai_price m input=1 output=1 cached=1;
--- says
unknown parameter "cached=1" of "ai_price", use input=, output=, cache_read= -> 4



=== TEST 37: a parameter twice
--- account
    ai_price m input=1 output=1 input=2;
--- says
duplicate parameter "input=" of "ai_price" -> 4



=== TEST 38: a model twice in a block
--- account
    ai_price m input=1 output=1;
    ai_price n input=1 output=1;
    ai_price m input=1 output=1;
--- says
duplicate "ai_price m", the first is in -> 6



=== TEST 39: no number
--- account
    ai_price m input=1.5USD output=1;
--- says
"input=1.5USD" of "ai_price" is no number, write a decimal number of USD per million tokens such as input=0.15 -> 4



=== TEST 40: a negative one
--- account
    ai_price m input=1 output=-1;
--- says
"output=-1" of "ai_price" is negative or too large -> 4



=== TEST 41: a huge one
--- account
    ai_price m input=1 output=1000000000001;
--- says
"output=1000000000001" of "ai_price" is negative or too large -> 4



=== TEST 42: one that would be rounded
--- account
    ai_price m input=0.0000001 output=1;
--- says
"input=0.0000001" of "ai_price" is finer than a millionth of a millionth of a dollar per unit -> 4



=== TEST 43: a price per request that is no number
--- account
    ai_price m input=1 output=1 request=much;
--- says
"request=much" of "ai_price" is no number, write a decimal number of USD per request such as request=0.15 -> 4



=== TEST 44: in an upstream block that is no account
--- http
upstream plain { server 127.0.0.1:1;
    ai_price m input=1 output=1; }
ai_route m { target a; target b; }
--- says
"ai_price" in an upstream block without ai_account, remove it or write "ai_account -> 8



=== TEST 45: least_cost without any price
--- http
ai_route m { balance least_cost; target a; target b; }
--- says
"balance least_cost" in ai_route "m" has no price of any target, write "ai_prices FILE", or "ai_price MODEL input=USD output=USD", in USD per million tokens -> 7



=== TEST 46: least_cost without any price, for patterns
--- http
ai_route * { balance least_cost; target a; target b; }
--- says
"balance least_cost" in ai_route "*" has no price of any target -> 7



=== TEST 47: least_cost with a map that does not know the models
--- http
ai_prices $TMP/good;
ai_route nope { balance least_cost; target a; target b model=gone; }
--- says
"balance least_cost" in ai_route "nope" has no price of any target -> 8



=== TEST 48: least_cost where one target has no price
--- http
ai_prices $TMP/good;
ai_route nope { balance least_cost; target a; target b model=m; }
--- warns
"balance least_cost" in ai_route "nope" has no price of "nope" at "a": they come last, write "ai_price MODEL -> 8



=== TEST 49: least_cost with prices: by name, prefix, client's name, patterns
--- http
ai_prices $TMP/good;
ai_price house input=1 output=1;
ai_route m    { balance least_cost; target a; target b model=deployment; }
ai_route own  { balance least_cost; target a; target b model=free; }
ai_route house { balance least_cost; target a; target b; }
ai_route x-*  { balance least_cost; target a; target b; }
--- silent



=== TEST 50: max_price: what may be written
--- http
ai_prices $TMP/good;
ai_class c { max_price input=1 output=2; }
ai_class d { max_price output=2; }
ai_class e { max_price input=1e-6; }
ai_route m free { target a; target b; }
--- silent



=== TEST 51: max_price: something else
--- http
ai_prices $TMP/good;
ai_class c { max_price input=1 cached=2; }
ai_route m { target a; target b; }
--- says
invalid value "cached=2" of "max_price" in ai_class "c", write "max_price input=USD output=USD;" -> 8



=== TEST 52: max_price: twice
--- http
ai_class c { max_price input=1 input=2; }
--- says
invalid value "input=2" of "max_price" in ai_class "c" -> 7



=== TEST 53: max_price: no number
--- http
ai_class c { max_price input=low; }
--- says
"input=low" of "max_price" is no number, write a decimal number of USD per million tokens such as input=0.15 -> 7



=== TEST 54: max_price that excludes everything
--- http
ai_prices $TMP/good;
ai_class c { max_price input=0.999999 output=2; }
ai_route m { target a; target b; }
--- says
"max_price" of ai_class "c" excludes every target, since none that has a price is as cheap: raise it -> 8



=== TEST 55: max_price that excludes everything by what is not known
--- http
ai_prices $TMP/good;
ai_class c { max_price input=10; }
ai_route nope { target a; target b; }
--- says
"max_price" of ai_class "c" excludes every target, since none has a price: write "ai_prices FILE", or "ai_price -> 8



=== TEST 56: max_price without prices
--- http
ai_class c { max_price input=10; }
ai_route * { target a; target b; }
--- says
"max_price" of ai_class "c" excludes every target, since none has a price -> 7



=== TEST 57: max_price of the accounts that the class has
--- http
ai_prices $TMP/good;
ai_class c { accounts a; max_price input=0.5; }
ai_route m { target a; target b model=free; }
--- says
"max_price" of ai_class "c" excludes every target -> 8



=== TEST 58: max_price where a client's model may be cheap enough
--- http
ai_prices $TMP/good;
ai_class c { max_price input=0.5; }
ai_route m* { target a; target b; }
--- silent



=== TEST 59: max_price and models without a price
--- http
ai_prices $TMP/good;
ai_class c { max_price input=10; }
ai_route m nope { target a; target b model=m; }
--- warns
"max_price" of ai_class "c" excludes what has no price: "nope" at "a", write "ai_price -> 8



=== TEST 60: allow_costlier and models without a price
--- http
ai_prices $TMP/good;
ai_class c { allow_costlier off; }
ai_route m { target a; target b model=dep tier=2; backup nope; }
ai_route nope { target a; }
ai_route alone { target a; }
--- warns
"allow_costlier off" of ai_class "c" takes what has no price for the dearest: "nope" at "a", write "ai_price -> 8



=== TEST 61: allow_costlier without prices, where nothing could be dearer
--- http
ai_class c { allow_costlier off; }
ai_class d { allow_costlier off; allow_backup off; }
ai_class e { allow_costlier on; }
ai_route m { target a; target b; }
--- silent



=== TEST 62: allow_costlier without prices
--- http
ai_class c { allow_costlier off; }
ai_route m { target a; target b tier=2; }
--- warns
"allow_costlier off" of ai_class "c" takes what has no price for the dearest: "m" at "a", "m" at "b" -> 7



=== TEST 63: allow_costlier: neither on nor off
--- http
ai_class c { allow_costlier no; }
--- says
invalid value "no" of "allow_costlier" in ai_class "c", write "allow_costlier on|off;" -> 7



=== TEST 64: families
--- http
ai_class c { allow_family_switch off; }
ai_class d { allow_family_switch on; }
ai_route gpt-4o { target a; backup gpt-mini claude; }
ai_route gpt-mini { target a; }
ai_route claude { target b; family Claude; }
--- silent



=== TEST 65: families that cannot be told
--- http
ai_class c { allow_family_switch off; }
ai_route gpt-4o { target a; backup 4o; }
ai_route 4o { target b; }
--- warns
"allow_family_switch off" of ai_class "c" cannot tell the family of the routes "4o", which are taken for another one, write "family NAME;" in them -> 7



=== TEST 66: families where no backup is allowed
--- http
ai_class c { allow_family_switch off; allow_backup off; }
ai_route m { target a; target b; }
--- warns
"allow_family_switch off" of ai_class "c" means nothing with "allow_backup off", remove it -> 7



=== TEST 67: a family twice
--- http
ai_route m { target a; target b; family x; family y; }
--- says
duplicate "family" in ai_route "m" -> 7



=== TEST 68: an empty family
--- http
ai_route m { target a; target b; family ""; }
--- says
empty model name in "family" -> 7



=== TEST 69: a whole real map; a small one where there is none
--- http
ai_prices $TMP/real;
ai_route gpt-4o claude-sonnet-4-5 { balance least_cost; target a; target b; }
--- silent



=== TEST 70: an account's budget without any price
--- account
    ai_limit budget=5usd/day;
--- warns
the budget of account "a" limits nothing, since no price is known, write "ai_prices FILE", or "ai_price MODEL input=USD output=USD", in USD per million tokens -> 4



=== TEST 71: a key's budget without any price
--- http
ai_key poor hash=sha256:{ax64};
ai_key rich hash=sha256:{bx64} budget=5usd/day;
ai_route m { target a; target b; }
--- warns
the budget of key "rich" limits nothing, since no price is known -> 8



=== TEST 72: a budget of a key in a file, without any price
--- http
ai_key poor hash=sha256:{ax64};
ai_keys $TMP/keys;
ai_route m { target a; target b; }
--- warns
the budget of key "filed" limits nothing, since no price is known -> 8



=== TEST 73: it is said once
--- ai
ai_key rich hash=sha256:{bx64} budget=5usd/day;
upstream a { server 127.0.0.1:1; ai_limit budget=1usd/day;
    ai_account provider=vllm base=http://a/v1; }
upstream b { server 127.0.0.1:1; ai_limit budget=1usd/day;
    ai_account provider=vllm base=http://b/v1; }
ai_route m { target a; target b; }
--- warns
the budget of account "a" limits nothing -> 2
--- no_error_log
the budget of key
the budget of account "b"



=== TEST 74: an account's budget and models without a price
--- account
    ai_limit budget=5usd/day concurrent=4;
    ai_price n input=1 output=1;
}
ai_route x  { target a model=house; target b model=other; }
ai_route y z n { target a; }
ai_route p* { target a; }
ai_route q* { target a model=deployed; }
ai_route c { target c; }
upstream c { server 127.0.0.1:1;
    ai_account provider=vllm base=http://c/v1;
--- warns
the budget of account "a" does not see what has no price: "house", "y", "z", "deployed", "m", write "ai_price MODEL input=USD output=USD", in USD per million tokens -> 4
what has no price costs nothing in records and under budgets: "x", "c", "m", write "ai_price MODEL input=USD output=USD", in USD per million tokens -> 7



=== TEST 75: an account's budget and prices for all of it
--- account
    ai_limit budget=5usd/day;
    ai_price n input=1 output=1;
    ai_price m input=0 output=0;
}
ai_price y input=1 output=1;
ai_price other input=1 output=1;
ai_price m input=1 output=1;
ai_route x { target a model=n; target b model=other; }
ai_route y { target a model=house; }
ai_route p* { target a; }
ai_route c { target c; }
upstream c { server 127.0.0.1:1;
    ai_account provider=vllm base=http://c/v1;
    ai_price c input=0 output=0;
--- silent



=== TEST 76: concurrency alone needs no price
--- http
ai_key k hash=sha256:{ax64} concurrent=5 tokens=1000t/m;
ai_route m { target a; target b; }
--- silent



=== TEST 77: a unit that is no decimal number
--- account
    ai_price m character=15e;
--- says
"character=15e" of "ai_price" is no number, write a decimal number of USD per character such as character=0.15 -> 4



=== TEST 78: a unit's price is not per million
--- account
    ai_price m character=0.0000000000001;
--- says
"character=0.0000000000001" of "ai_price" is finer than a millionth of a millionth of a dollar per unit, write a decimal number of USD per character -> 4



=== TEST 79: dearer than any unit
--- account
    ai_price m image=1000001;
--- says
"image=1000001" of "ai_price" is negative or too large, write a decimal number of USD per image -> 4



=== TEST 80: a unit twice
--- account
    ai_price m second=1 second=1;
--- says
duplicate parameter "second=" of "ai_price" -> 4



=== TEST 81: a price per request alone is none of what is used
--- account
    ai_price m request=1;
--- says
"ai_price m" has no "input=", write "ai_price MODEL input=USD output=USD", in USD per million tokens; 0 is free -> 4
