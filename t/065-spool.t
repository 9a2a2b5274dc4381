# Copyright (C) nginx-ai-route contributors

# Records reach Redis whatever becomes of it: away, killed, hung, refusing.

BEGIN {
    unless (grep { -x "$_/redis-server" } split /:/, $ENV{PATH}) {
        print "1..0 # SKIP redis-server is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute providers => ['a'], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AIClient;
use AISpool;
use AIWorkers;

use Time::HiRes qw(time sleep);

workers(2);

spool_blocks(perl => sub { eval shift });

no_long_string();
run_tests();

__DATA__

=== TEST 1: all is well: nothing is written but the queues' memory
--- check
my @r = asks(30);
recorded('at once', @r);
is(duplicates(), 0, 'no duplicates');
is(scalar(files('mem')), 2, 'a file for each worker');
is(join(' ', files('log')), '', 'no logs');
is((stat folder())[2] & 0777, 0700, 'nobody else may look');
# the next one's nginx finds no Redis
redis_stop();



=== TEST 2: no Redis from the start
--- check
redis_stop();
my @r = asks(20);
sleep 0.5;
push @r, asks(10);
redis_start();
recorded('when it is there', @r);
is(duplicates(), 0, 'no duplicates');
--- error_log
does not take records



=== TEST 3: killed and started again under load
--- check
redis_stop();
redis_start('--appendonly', 'yes');
redis_cli('FLUSHALL');
my @r = load(rate => 150, seconds => 4,
             each => sub { (stream => $_[0] % 2) },
             at => [[0.7, sub { redis_stop('KILL') }],
                    [1.7, sub { redis_start('--appendonly', 'yes') }],
                    [2.2, sub { redis_stop('KILL') }],
                    [2.4, sub { redis_start('--appendonly', 'yes') }]]);
AISpool::served(@r);
recorded('both times', @r);
cmp_ok(duplicates(), '<', 20, 'few duplicates');
redis_stop();



=== TEST 4: hung: it has the connections and answers nothing
--- check
my @r = asks(5);
kill 'STOP', redis_pid();
push @r, load(rate => 150, seconds => 2);
AISpool::served(@r);
kill 'CONT', redis_pid();
recorded('awake', @r);
is(duplicates(), 0, 'no duplicates');



=== TEST 5: hung, until the connections are given up
--- check
my @r = asks(5);
kill 'STOP', redis_pid();
push @r, asks(20);
# "no reply" after 5 s; what was in flight comes twice
sleep 5.5;
push @r, asks(5);
kill 'CONT', redis_pid();
recorded('awake', @r);
# those of two connections, and what joined them until they were given up
cmp_ok(duplicates(), '<=', 25, 'no more duplicates than were in flight');
--- error_log
no reply
--- timeout: 15



=== TEST 6: out of memory, then read-only
--- check
my @r = asks(5);
recorded('before', @r);
redis_cli('CONFIG', 'SET', 'maxmemory', '1');
push @r, load(rate => 150, seconds => 1);
redis_cli('CONFIG', 'SET', 'maxmemory', '0');
push @r, load(rate => 150, seconds => 1);
AISpool::served(@r);
recorded('memory is back', @r);

redis_cli('REPLICAOF', '127.0.0.1', $ENV{TEST_NGINX_DEAD_PORT});
push @r, load(rate => 150, seconds => 1);
redis_cli('REPLICAOF', 'NO', 'ONE');
recorded('writable again', @r);
is(duplicates(), 0, 'no duplicates');



=== TEST 7: more than the memory holds goes to logs, and comes back in order
# a record of a request with this model has some 1,400 bytes
--- usage: queue=1m
--- check
redis_stop();
my @r = load(rate => 400, seconds => 5,
             each => sub { (model => 'm-' . 'x' x 240) });
AISpool::served(@r);
my @log = files('log');
cmp_ok(scalar @log, '>=', 1, 'logs');
my $size = 0;
$size += -s folder() . "/$_" for @log;
cmp_ok($size, '>', 500_000, 'what is not in memory is there');
redis_start();
recorded('all', @r);
is(duplicates(), 0, 'no duplicates');
ok(wait_for(5, sub { !files('log') }), 'the logs are gone');
--- error_log
records of the spool replayed
--- timeout: 30



=== TEST 8: reload under load, Redis away, and comes back
--- usage: queue=1m
--- check
redis_stop();
my $long = 'm-' . 'x' x 240;
my @r = load(rate => 300, seconds => 5, each => sub { (model => $long) },
             at => [(map { [$_, sub { nginx_signal('HUP') }] }
                     0.5, 1.5, 2.5, 4.5),
                    [3.5, sub { redis_start() }]]);
AISpool::served(@r);
recorded('all', @r);
is(duplicates(), 0, 'no duplicates');
ok(wait_for(5, sub { files() == 2 }), 'no file is left but of two workers');
--- timeout: 30
