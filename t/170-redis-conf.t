# Copyright (C) nginx-ai-route contributors

# ai_usage with Redis: what "nginx -t" refuses and what it says.
# t/lib/AIConf.pm tells what the sections of the blocks mean.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';
use AIConf wrap => {
    usage => "%s\nupstream a { server 127.0.0.1:1;"
             . " ai_account provider=vllm base=http://a/v1; }\n"
             . "ai_route m { target a; }\n",
};

my $tmp = tmp_dir();

$ENV{AI_TEST_REDIS} = 's3cr3t';
delete $ENV{AI_TEST_NONE};

AIRoute::certificates();

sub file {
    my ($name, $content) = @_;

    open my $fh, '>', "$tmp/$name" or die "$name: $!\n";
    print $fh $content;
    close $fh;
    chmod 0644, "$tmp/$name";
}

file('password', "s3cr3t\n");
file('empty', "\n");
file('long', 's3cr3t' x 700);
chmod 0755, $tmp;

no_long_string();
run_tests();

__DATA__

=== TEST 1: a list with everything
--- usage
ai_usage redis://gateway@127.0.0.1:1,[::1]:2,localhost/15
         password=env:AI_TEST_REDIS stream=u shards=64 minid=7d queue=128k;
--- silent



=== TEST 2: a socket with a database
--- usage
ai_usage unix:/run/redis.sock:3;
--- silent



=== TEST 3: sentinels
--- usage
ai_usage sentinel://127.0.0.1,127.0.0.2:7/ours/1 user=a password=file:$TMP/password
         sentinel_user=b sentinel_password=env:AI_TEST_REDIS maxlen=0;
--- silent



=== TEST 4: a cluster
--- usage
ai_usage cluster://127.0.0.1:1,127.0.0.1:2 shards=8;
--- silent



=== TEST 5: TLS with everything
--- usage
ai_usage rediss://127.0.0.1 trusted=$TMP/ca.pem sni=cache.test
         certificate=$TMP/cert.pem certificate_key=$TMP/key.pem verify=on;
--- silent



=== TEST 6: TLS to a cluster
--- usage
ai_usage cluster://127.0.0.1 tls=on trusted=$TMP/ca.pem;
--- silent



=== TEST 7: a word that is no address
--- usage
ai_usage radis://127.0.0.1;
--- says
invalid destination in "ai_usage", write "redis://HOST -> 1



=== TEST 8: a password in the address
--- usage
ai_usage redis://u:s3cr3t@127.0.0.1;
--- says
invalid address in "ai_usage": it takes no password in the address, write "user=NAME" -> 1



=== TEST 9: a password alone in the address
--- usage
ai_usage redis://:s3cr3t@127.0.0.1;
--- says
invalid address in "ai_usage": it takes no password in the address -> 1



=== TEST 10: no host
--- usage
ai_usage redis://;
--- says
invalid address in "ai_usage": write each node as HOST or HOST:PORT -> 1



=== TEST 11: an empty node
--- usage
ai_usage redis://127.0.0.1,,127.0.0.2;
--- says
invalid address in "ai_usage": write each node -> 1



=== TEST 12: a port out of range
--- usage
ai_usage redis://127.0.0.1:65536;
--- says
invalid address in "ai_usage": write each node -> 1



=== TEST 13: an IPv6 address without brackets
--- usage
ai_usage redis://::1;
--- says
invalid address in "ai_usage": write each node -> 1



=== TEST 14: too many nodes
--- usage
ai_usage redis://127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1;
--- says
invalid address in "ai_usage": name 16 nodes at most -> 1



=== TEST 15: a database that is no number
--- usage
ai_usage redis://127.0.0.1/x;
--- says
invalid address in "ai_usage": the database behind the last slash must be a number -> 1



=== TEST 16: a database of a cluster
--- usage
ai_usage cluster://127.0.0.1/1;
--- says
invalid address in "ai_usage": a cluster has database 0 alone -> 1



=== TEST 17: sentinels without a name
--- usage
ai_usage sentinel://127.0.0.1;
--- says
invalid address in "ai_usage": write the master's name behind the sentinels -> 1



=== TEST 18: a relative socket
--- usage
ai_usage unix:redis.sock;
--- says
invalid address in "ai_usage": write "unix:/PATH" -> 1



=== TEST 19: a long socket
--- usage
ai_usage unix:/{ax200};
--- says
too long path in "ai_usage unix:/aaa -> 1



=== TEST 20: a host that does not exist
--- usage
ai_usage redis://no.such.host.invalid;
--- says
host not found in "no.such.host.invalid" of "ai_usage" -> 1



=== TEST 21: a long host
--- usage
ai_usage redis://{ax256};
--- says
too long host name in "ai_usage" -> 1



=== TEST 22: a literal password
--- usage
ai_usage redis://127.0.0.1 password=s3cr3t;
--- says
"password=" in "ai_usage" takes no literal password, write "password=env:NAME" or "password=file:PATH" -> 1



=== TEST 23: a literal password of sentinels
--- usage
ai_usage sentinel://127.0.0.1/m sentinel_password=s3cr3t;
--- says
"sentinel_password=" in "ai_usage" takes no literal password -> 1



=== TEST 24: a variable that is not set
--- usage
ai_usage redis://127.0.0.1 password=env:AI_TEST_NONE;
--- says
"password=env:AI_TEST_NONE" in "ai_usage": no such variable -> 1



=== TEST 25: a password file that is not there
--- usage
ai_usage redis://127.0.0.1 password=file:$TMP/none;
--- says
"password=file:$TMP/none" in "ai_usage" cannot be read by the nginx service -> 1



=== TEST 26: an empty password file
--- usage
ai_usage redis://127.0.0.1 password=file:$TMP/empty;
--- says
"password=file:$TMP/empty" in "ai_usage" is empty -> 1



=== TEST 27: a password file that is too long
--- usage
ai_usage redis://127.0.0.1 password=file:$TMP/long;
--- says
"password=file:$TMP/long" in "ai_usage" is too long -> 1



=== TEST 28: a user without a password
--- usage
ai_usage redis://127.0.0.1 user=gateway;
--- says
a user in "ai_usage" needs a password -> 1



=== TEST 29: a user in the address without a password
--- usage
ai_usage redis://gateway@127.0.0.1;
--- says
a user in "ai_usage" needs a password -> 1



=== TEST 30: a user twice
--- usage
ai_usage redis://gateway@127.0.0.1 user=gateway;
--- says
duplicate parameter "user=" in "ai_usage" -> 1



=== TEST 31: a password twice
--- usage
ai_usage redis://127.0.0.1 password=env:AI_TEST_REDIS password=env:AI_TEST_REDIS;
--- says
duplicate parameter "password=" in "ai_usage" -> 1



=== TEST 32: an empty user
--- usage
ai_usage redis://127.0.0.1 user=;
--- says
invalid "user=" in "ai_usage" -> 1



=== TEST 33: a password of sentinels without any
--- usage
ai_usage redis://127.0.0.1 sentinel_password=env:AI_TEST_REDIS;
--- says
"sentinel_user=" and "sentinel_password=" in "ai_usage" are for "sentinel://" -> 1



=== TEST 34: a user of sentinels without a password
--- usage
ai_usage sentinel://127.0.0.1/m sentinel_user=a;
--- says
"sentinel_user=" in "ai_usage" needs "sentinel_password=" -> 1



=== TEST 35: a misspelt password
--- usage
ai_usage redis://127.0.0.1 pasword=s3cr3t;
--- says
invalid parameter "pasword=" in "ai_usage" -> 1



=== TEST 36: no shards
--- usage
ai_usage redis://127.0.0.1 shards=0;
--- says
invalid "shards=0" in "ai_usage", write a number of streams from 1 to 64 -> 1



=== TEST 37: too many shards
--- usage
ai_usage redis://127.0.0.1 shards=65;
--- says
invalid "shards=65" in "ai_usage" -> 1



=== TEST 38: shards twice
--- usage
ai_usage redis://127.0.0.1 shards=2 shards=2;
--- says
duplicate parameter "shards=" in "ai_usage" -> 1



=== TEST 39: a minid that is no time
--- usage
ai_usage redis://127.0.0.1 minid=week;
--- says
invalid "minid=week" in "ai_usage" -> 1



=== TEST 40: a minid of nothing
--- usage
ai_usage redis://127.0.0.1 minid=0;
--- says
invalid "minid=0" in "ai_usage" -> 1



=== TEST 41: a minid of more than ten years
--- usage
ai_usage redis://127.0.0.1 minid=11y;
--- says
invalid "minid=11y" in "ai_usage" -> 1



=== TEST 42: minid and maxlen
--- usage
ai_usage redis://127.0.0.1 minid=7d maxlen=5;
--- says
"maxlen=" and "minid=" in "ai_usage" exclude each other -> 1



=== TEST 43: minid and maxlen=0
--- usage
ai_usage redis://127.0.0.1 minid=7d maxlen=0;
--- says
"maxlen=" and "minid=" in "ai_usage" exclude each other -> 1



=== TEST 44: a small queue
--- usage
ai_usage redis://127.0.0.1 queue=127k;
--- says
invalid "queue=127k" in "ai_usage" -> 1



=== TEST 45: TLS parameters without TLS
--- usage
ai_usage redis://127.0.0.1 trusted=$TMP/ca.pem;
--- says
"trusted=" in "ai_usage" means nothing without TLS, write "rediss://" or "tls=on" -> 1



=== TEST 46: TLS parameters with tls=off
--- usage
ai_usage cluster://127.0.0.1 tls=off sni=a;
--- says
"sni=" in "ai_usage" means nothing without TLS -> 1



=== TEST 47: tls with another value
--- usage
ai_usage redis://127.0.0.1 tls=yes;
--- says
invalid "tls=yes" in "ai_usage", write "tls=on" or "tls=off" -> 1



=== TEST 48: TLS over a socket
--- usage
ai_usage unix:/run/redis.sock tls=on;
--- says
"tls=on" in "ai_usage" does not work with "unix:" -> 1



=== TEST 49: trusted with verify=off
--- usage
ai_usage rediss://127.0.0.1 verify=off trusted=$TMP/ca.pem;
--- says
"trusted=" in "ai_usage" means nothing with "verify=off" -> 1



=== TEST 50: a CA file that is none
--- usage
ai_usage rediss://127.0.0.1 trusted=$TMP/password;
--- says
cannot use "$TMP/password" as the trusted CA certificates of "ai_usage" -> 1



=== TEST 51: a certificate without its key
--- usage
ai_usage rediss://127.0.0.1 certificate=$TMP/cert.pem;
--- says
"certificate=" and "certificate_key=" in "ai_usage" belong together -> 1



=== TEST 52: a certificate that is none
--- usage
ai_usage rediss://127.0.0.1 certificate=$TMP/password certificate_key=$TMP/key.pem;
--- says
cannot use "$TMP/password" and "$TMP/key.pem" as the client certificate of "ai_usage" -> 1



=== TEST 53: an empty path
--- usage
ai_usage rediss://127.0.0.1 trusted=;
--- says
no path in "trusted=" of "ai_usage" -> 1



=== TEST 54: a spool too small for its shards
--- usage
ai_usage cluster://127.0.0.1 shards=8 spool=$TMP/spool spool_max=7m;
--- says
"spool_max=" in "ai_usage" is too small for the shards of a cluster, write "spool_max=8m" or more -> 1



=== TEST 55: parameters of a file
--- usage
ai_usage file:$TMP/x shards=2;
--- says
"ai_usage file:$TMP/x" takes no parameters, they are for Redis -> 1



=== TEST 56: nobody is verified
--- usage
ai_usage rediss://127.0.0.1 verify=off;
--- warns
"ai_usage" says verify=off, records and the password go to whoever answers -> 1



=== TEST 57: a cluster's stream in braces, or with them
--- usage
ai_usage cluster://127.0.0.1 "stream={ai}:usage" shards=4;
--- silent



=== TEST 58: braces that are none
--- usage
ai_usage cluster://127.0.0.1 "stream=a}b";
--- says
braces in "stream=a}b" of a cluster must have something between them -> 1



=== TEST 59: braces around nothing
--- usage
ai_usage cluster://127.0.0.1 "stream={}ai:usage";
--- says
braces in "stream={}ai:usage" of a cluster must have something between them -> 1



=== TEST 60: elsewhere they are letters
--- usage
ai_usage redis://127.0.0.1 "stream=a}b";
--- silent
