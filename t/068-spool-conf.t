# Copyright (C) nginx-ai-route contributors

# spool= of ai_usage: what "nginx -t" refuses.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';

use AIConf wrap => {
    usage => "upstream a {\n    server 127.0.0.1:1;\n"
             . "    ai_account provider=vllm base=http://a/v1;\n}\n"
             . "ai_route m { target a; }\nai_usage %s;\n",
};

no_long_string();
run_tests();

__DATA__

=== TEST 1: all parameters, in any order
--- usage
redis://127.0.0.1 spool_max=1m queue=1m spool=$TMP/one/ maxlen=0
--- silent



=== TEST 2: a folder alone
--- usage
redis://127.0.0.1 spool=$TMP/two
--- silent



=== TEST 3: no folder
--- usage
redis://127.0.0.1 spool=
--- says
no folder in "spool=" of "ai_usage", write "spool=FOLDER" -> 6



=== TEST 4: a bound of nothing
--- usage
redis://127.0.0.1 spool_max=1g
--- says
"spool_max=" in "ai_usage" needs a folder, write "spool=FOLDER" -> 6



=== TEST 5: a bound too low
--- usage
redis://127.0.0.1 spool=$TMP/five spool_max=1023k
--- says
invalid "spool_max=1023k" in "ai_usage", write how much the folder may take on the disk, "1m" or more -> 6



=== TEST 6: a bound that is no size
--- usage
redis://127.0.0.1 spool=$TMP/six spool_max=much
--- says
invalid "spool_max=much" in "ai_usage" -> 6



=== TEST 7: a queue that what is in flight would fill
--- usage
redis://127.0.0.1 queue=128k spool=$TMP/seven
--- says
"queue=" in "ai_usage" is too small with "spool=", write "queue=1024k" or more -> 6



=== TEST 8: a spool for a file
--- usage
file:$TMP/file spool=$TMP/eight
--- says
"ai_usage file: -> 6



=== TEST 9: twice
--- usage
redis://127.0.0.1 spool=$TMP/a spool=$TMP/b
--- says
duplicate parameter "spool=" in "ai_usage" -> 6
