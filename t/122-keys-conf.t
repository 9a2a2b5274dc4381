# Copyright (C) nginx-ai-route contributors

# What "nginx -t" says of ai_keys and ai_key; nothing that could be a key is
# repeated.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';

my $account = <<'END';
upstream a { server 127.0.0.1:1;
    ai_account provider=openai base=http://a/v1; }
ai_route m { target a; } ai_price m input=1 output=1;
ai_class slow { }
END

my $tmp = tmp_dir();

our $a = 'sha256:' . 'a' x 64;
our $b = 'sha256:' . 'b' x 64;

# a block's "json" is the file $TMP/keys.json
Test::Nginx::Util::add_block_preprocessor(sub {
    my $block = shift;

    unlink "$tmp/keys.json";
    return unless defined $block->json;

    (my $json = $block->json) =~ s/\$([ab])\b/$1 eq 'a' ? $a : $b/ge;
    open my $fh, '>', "$tmp/keys.json" or die "$tmp: $!\n";
    print $fh $json;
    close $fh;
    chmod 0644, "$tmp/keys.json";
});

require AIConf;
AIConf->import(wrap => { key => "$account%s\n" });

run_tests();

__DATA__

=== TEST 1: every parameter
--- key
ai_key k hash=sha256:{ax64} app=x team=y env=z classes=slow,default
       default_class=slow models=gpt-4o*,o3 requests=600r/m tokens=200kt/m
       concurrent=20 budget=5usd/day,100usd/month,0.5usd/week,9usd/total
       expires=2027-01-01T00:00:00Z disabled knobs cut_off;
ai_key l hash=sha256:{bx64};
--- silent



=== TEST 2: the class comes after the key
--- key
ai_key k hash=sha256:{ax64} classes=later;
ai_class later { }
--- silent



=== TEST 3: ai_key without anything
--- key
ai_key;
--- says
invalid number of arguments in "ai_key" directive -> 5



=== TEST 4: no hash
--- key
ai_key k team=x;
--- says
key "k" of "ai_key" has no "hash", write sha256: and the 64 hex digits -> 5



=== TEST 5: a literal key
--- key
ai_key k hash=s3cr3t;
--- says
"hash=" of key "k" in "ai_key" is not of this form, and not shown because it may be the key itself, write sha256: and the 64 hex digits -> 5



=== TEST 6: a literal key without a name
--- key
ai_key k s3cr3t;
--- says
unknown parameter (not shown, it may be a secret) of key "k" in "ai_key", use hash=, app=, team=, env=, classes=, default_class=, models=, requests=, tokens=, concurrent=, budget=, expires=, disabled, knobs, cut_off -> 5



=== TEST 7: an unknown parameter
--- key
ai_key k hash=sha256:{ax64} secret=s3cr3t;
--- says
unknown parameter (not shown, it may be a secret) of key "k" -> 5



=== TEST 8: a parameter twice
--- key
ai_key k hash=sha256:{ax64} team=x team=y;
--- says
duplicate parameter "team=" of key "k" in "ai_key" -> 5



=== TEST 9: a flag with a value
--- key
ai_key k hash=sha256:{ax64} disabled=no;
--- says
unknown parameter (not shown, it may be a secret) of key "k" -> 5



=== TEST 10: the id as a parameter
--- key
ai_key k hash=sha256:{ax64} id=l;
--- says
unknown parameter (not shown, it may be a secret) of key "k" -> 5



=== TEST 11: an empty value
--- key
ai_key k hash=sha256:{ax64} team=;
--- says
"team=" of key "k" in "ai_key" is empty, write a name of at most 128 bytes -> 5



=== TEST 12: an empty name in a list
--- key
ai_key k hash=sha256:{ax64} models=a,,b;
--- says
"models=" of key "k" in "ai_key" have an empty name, write a list -> 5



=== TEST 13: a bad rate
--- key
ai_key k hash=sha256:{ax64} requests=600;
--- says
"requests=" of key "k" in "ai_key" is not a rate, write a rate of requests -> 5



=== TEST 14: an absurd limit
--- key
ai_key k hash=sha256:{ax64} concurrent=-1;
--- says
"concurrent=" of key "k" in "ai_key" is not a whole number above zero, write -> 5



=== TEST 15: a bad budget
--- key
ai_key k hash=sha256:{ax64} budget=100usd/month,100;
--- says
"budget=" of key "k" in "ai_key" is not an amount per period, write amounts of dollars per day, week, month or in total such as 5usd/day,100usd/month -> 5



=== TEST 16: no money
--- key
ai_key k hash=sha256:{ax64} budget=0usd/month;
--- says
"budget=" of key "k" in "ai_key" is zero or too large -> 5



=== TEST 17: two budgets for one period
--- key
ai_key k hash=sha256:{ax64} budget=1usd/day,2usd/day;
--- says
"budget=" of key "k" in "ai_key" has two amounts for one period -> 5



=== TEST 18: a bad date
--- key
ai_key k hash=sha256:{ax64} expires=2027-02-30T00:00:00Z;
--- says
"expires=" of key "k" in "ai_key" is not a date and time with its zone -> 5



=== TEST 19: an unknown class
--- key
ai_key k hash=sha256:{ax64} classes=slow,fast;
--- says
unknown class "fast" of key "k", known are: default, slow -> 5



=== TEST 20: a default class that is not in the list
--- key
ai_key k hash=sha256:{ax64} classes=slow default_class=default;
--- says
key "k" of "ai_key" has a "default_class" that is not among its "classes" -> 5



=== TEST 21: a name twice
--- key
ai_key k hash=sha256:{ax64};
ai_key k hash=sha256:{bx64};
--- says
key "k" is duplicate, the first is an "ai_key", rename or remove one of them -> 6



=== TEST 22: a hash twice
--- key
ai_key k hash=sha256:{ax64};
ai_key l hash=sha256:{Ax64};
--- says
keys "k" and "l" have the same hash, make another key for one of them -> 6



=== TEST 23: ai_keys twice
--- key
ai_keys $TMP/keys.json;
ai_keys $TMP/keys.json;
--- json
{"keys":[]}
--- says
"ai_keys" directive is duplicate -> 6



=== TEST 24: ai_keys with two files
--- key
ai_keys a b;
--- says
"ai_keys" needs one file, write "ai_keys keys.json" -> 5



=== TEST 25: no file
--- key
ai_keys $TMP/keys.json;
--- says
"$TMP/keys.json" of "ai_keys" cannot be opened: No such file or directory (it must be a regular file, readable with the permissions of the nginx service) -> 5



=== TEST 26: a folder
--- key
ai_keys $TMP;
--- says
"$TMP" of "ai_keys" is not a regular file -> 5



=== TEST 27: broken JSON
--- key
ai_keys $TMP/keys.json;
--- json
{"keys":[
{"id":"k","hash":"$a",
}]}
--- says
"$TMP/keys.json" of "ai_keys" is wrong at line 3: it is no valid JSON (parse error: invalid object key (must be a string)) -> 5



=== TEST 28: a secret in the place of its hash
--- key
ai_keys $TMP/keys.json;
--- json
{"keys":[{"id":"k","hash":"s3cr3t"}]}
--- says
"$TMP/keys.json" of "ai_keys" is wrong at line 1: "hash" of key "k" is not of this form -> 5



=== TEST 29: a key of the file has the name of an ai_key
--- key
ai_keys $TMP/keys.json;
ai_key k hash=sha256:{bx64};
--- json
{"keys":[
{"id":"k","hash":"$a"}]}
--- says
"$TMP/keys.json" of "ai_keys" is wrong at line 2: key "k" is duplicate, the first is an "ai_key", rename or remove one of them -> 5



=== TEST 30: ... or its hash
--- key
ai_keys $TMP/keys.json;
ai_key l hash=sha256:{ax64};
--- json
{"keys":[
{"id":"k","hash":"$a"}]}
--- says
"$TMP/keys.json" of "ai_keys" is wrong at line 2: keys "l" and "k" have the same hash -> 5



=== TEST 31: an unknown class in the file
--- key
ai_keys $TMP/keys.json;
--- json
{"keys":[
{"id":"k","hash":"$a","default_class":"fast"}]}
--- says
"$TMP/keys.json" of "ai_keys" is wrong at line 2: unknown class "fast" of key "k", known are: default, slow -> 5



=== TEST 32: a file without keys is warned of
--- key
ai_keys $TMP/keys.json;
--- json
{"keys":[]}
--- warns
"$TMP/keys.json" of "ai_keys" holds no key, every request will be refused -> 5



=== TEST 33: ... but not beside an ai_key
--- key
ai_keys $TMP/keys.json;
ai_key k hash=sha256:{ax64};
--- json
{"keys":[]}
--- silent



=== TEST 34: both together
--- key
ai_keys $TMP/keys.json;
ai_key l hash=sha256:{bx64};
--- json
{"keys":[{"id":"k","hash":"$a","classes":["slow"]}]}
--- silent
