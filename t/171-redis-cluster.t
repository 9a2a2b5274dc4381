# Copyright (C) nginx-ai-route contributors

# Usage records in a Redis Cluster: whichever node is asked, they come to the
# one that has the key, also while slots and roles move.

BEGIN {
    unless (grep { -x "$_/redis-server" } split /:/, $ENV{PATH}) {
        print "1..0 # SKIP redis-server is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute providers => ['a'];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient qw(ask statuses);
use AIRedis;
use AIServer;
use AIStatus;
use AIWorkers;

use Time::HiRes qw(sleep);

my $tmp = tmp_dir();
my (%bus, %id);

for my $name (qw(c1 c2 c3)) {
    $bus{$name} = free_port();
    server_up($name, '--cluster-enabled', 'yes', '--cluster-config-file',
              'nodes.conf', '--cluster-port', $bus{$name},
              '--cluster-node-timeout', '2000',
              '--cluster-require-full-coverage', 'no');
    ($id{$name}) = server_cli($name, 'CLUSTER', 'MYID') =~ /(\w+)/;
}

server_cli('c1', 'CLUSTER', 'ADDSLOTSRANGE', '0', '8191');
server_cli('c2', 'CLUSTER', 'ADDSLOTSRANGE', '8192', '16383');
server_cli('c1', 'CLUSTER', 'MEET', '127.0.0.1', server_at($_), $bus{$_})
    for qw(c2 c3);
for my $name (qw(c1 c2 c3)) {
    wait_for(15, sub { server_cli($name, 'CLUSTER', 'INFO')
                       =~ /cluster_state:ok[\s\S]*cluster_known_nodes:3/ })
        or die "no cluster: ", server_cli($name, 'CLUSTER', 'INFO');
}
server_cli('c3', 'CLUSTER', 'REPLICATE', $id{c2});
wait_for(15, sub { server_cli('c3', 'INFO', 'replication')
                   =~ /master_link_status:up/ }) or die "no replica\n";

# what holds the folders, for workers that are nobody
chmod 0755, $tmp;

my $http = <<'END';
ai_class default { retry_same off; max_wait off; }
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 16;
    ai_account provider=vllm base=http://a.test/v1; }
ai_route m { target a; }
END

check_blocks(http => sub { 'ai_usage ' . $_[0]->usage . ";\n$http" },
             no_error_log => [qr/records (?:lost|dropped)/],
             reset => ['a'], perl => sub { eval shift });

sub asks {
    my ($n, $what) = @_;
    my @r = map { ask() } 1 .. $n;

    is(statuses(@r), "200:$n", "$what: all $n were served");
}

# in all nodes together, of which each has its own keys
sub recorded {
    my ($nodes, @keys) = @_;
    my $n = 0;

    for my $key (@keys) {
        $n += requests_in($_, $key) for @$nodes;
    }
    return $n;
}

sub has {
    my ($n, $what, $nodes, @keys) = @_;

    wait_for(15, sub { recorded($nodes, @keys) >= $n });
    is(recorded($nodes, @keys), $n, "$what: $n are recorded");
}

# "owner other" of the key's slot, and the slot
sub slot_of {
    my ($slot) = server_cli('c1', 'CLUSTER', 'KEYSLOT', $_[0]) =~ /(\d+)/;

    return ($slot, $slot < 8192 ? ('c1', 'c2') : ('c2', 'c1'));
}

sub empty { server_cli($_, 'FLUSHALL') for qw(c1 c2 c3) }

no_long_string();
run_tests();

__DATA__

=== TEST 1: either node is asked first
--- usage: cluster://127.0.0.1:$TEST_NGINX_C1,127.0.0.1:$TEST_NGINX_C2
--- check
my (undef, $owner, $other) = slot_of('ai:usage');
asks(30, 'cluster');
has(30, 'cluster', [$owner], 'ai:usage');
ok(!log_has(qr/does not take records/), 'nothing is warned of');
empty();



=== TEST 2: the other way round
--- usage: cluster://127.0.0.1:$TEST_NGINX_C2,127.0.0.1:$TEST_NGINX_C1
--- check
my (undef, $owner, $other) = slot_of('ai:usage');
asks(30, 'cluster');
has(30, 'cluster', [$owner], 'ai:usage');
is(log_count(qr/sends on to/) + 0, $owner eq 'c1' ? 1 : 0,
   'one was sent on, once');
empty();



=== TEST 3: a replica and a dead node as seeds
--- usage: cluster://127.0.0.1:$TEST_NGINX_DEAD_PORT,127.0.0.1:$TEST_NGINX_C3
--- check
my (undef, $owner) = slot_of('ai:usage');
asks(10, 'seeds');
has(10, 'seeds', [$owner], 'ai:usage');
empty();



=== TEST 4: shards are spread over the nodes
--- usage: cluster://127.0.0.1:$TEST_NGINX_C1 shards=8 stream=u
--- check
my @keys = map { "u:$_" } 0 .. 7;
my @fh = traffic(4, 40);
is(served(@fh), 160, 'all were served');
has(160, 'all nodes', [qw(c1 c2)], @keys);
cmp_ok(recorded([$_], @keys), '>', 0, "$_ has some") for qw(c1 c2);
for my $key (@keys) {
    my (undef, $owner) = slot_of($key);
    cmp_ok(requests_in($owner, $key), '>', 0, "$key is at $owner");
}
empty();



=== TEST 5: a slot that is being moved
# No key of it is at the old node, which says ASK; then the slot belongs to
# the new one, and goes back with the key in it, under load.
--- usage: cluster://127.0.0.1:$TEST_NGINX_C1,127.0.0.1:$TEST_NGINX_C2
--- timeout: 20
--- check
my ($slot, $from, $to) = slot_of('ai:usage');
server_cli($to, 'CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $id{$from});
server_cli($from, 'CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $id{$to});
asks(20, 'asking');
wait_for(5, sub { log_has(qr/sends on to/) });
wait_for(5, sub { log_count(qr/sends on to/) >= 1 });
sleep 0.3;
server_cli($_, 'CLUSTER', 'SETSLOT', $slot, 'NODE', $id{$to}) for $to, $from;
has(20, 'asking', [$to], 'ai:usage');
asks(20, 'moved');
has(40, 'moved', [$to], 'ai:usage');
ok(!log_has(qr/does not take records/), 'nothing is warned of');

my @fh = traffic(3, 60, 0.01);
sleep 0.2;
server_cli($from, 'CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $id{$to});
server_cli($to, 'CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $id{$from});
sleep 0.1;
server_cli($to, 'MIGRATE', '127.0.0.1', server_at($from), 'ai:usage', '0',
           '5000');
sleep 0.1;
# as an import, since that is of a later epoch than what others still believe
server_cli($from, 'CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $id{$to});
server_cli($to, 'CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $id{$from});
server_cli($_, 'CLUSTER', 'SETSLOT', $slot, 'NODE', $id{$from})
    for $from, $to;
is(served(@fh), 180, 'all were served');
has(220, 'back again', [$from], 'ai:usage');
empty();



=== TEST 6: a node that is away holds up its own shards alone
--- usage: cluster://127.0.0.1:$TEST_NGINX_C1 shards=8 stream=u
--- timeout: 30
--- check
my @keys = map { "u:$_" } 0 .. 7;
my @mine = grep { (slot_of($_))[1] eq 'c1' } @keys;
asks(40, 'before');
has(40, 'before', [qw(c1 c2)], @keys);
my $before = recorded(['c1'], @mine);

server_signal('c2', 'STOP');
asks(60, 'one is away');
ok(wait_for(3, sub { recorded(['c1'], @mine) > $before + 10 }),
   'the other one takes its own');
sleep 0.5;
server_signal('c2', 'CONT');
has(100, 'it is back', [qw(c1 c2)], @keys);
empty();



=== TEST 7: a spool of each shard
# A worker is killed while one node is away: what waited for it is in the
# folders of its shards, and comes to the same streams.
--- usage: cluster://127.0.0.1:$TEST_NGINX_C1 shards=4 spool=$TEST_NGINX_TMP/spool-7
--- log_ok chomp
exited on signal 9
--- timeout: 30
--- check
my @keys = map { "ai:usage:$_" } 0 .. 3;
ok(-d "$tmp/spool-7/$_", "folder $_") for 0 .. 3;
asks(10, 'before');
has(10, 'before', [qw(c1 c2)], @keys);
server_signal('c2', 'STOP');
asks(40, 'one is away');
my ($old) = workers_now();
kill 'KILL', $old;
wait_for(5, sub { my ($new) = workers_now(); $new && $new != $old });
sleep 0.3;
asks(10, 'another worker');
server_signal('c2', 'CONT');
has(60, 'it is back', [qw(c1 c2)], @keys);
is(join(' ', grep { $_->{key} ne 'ai:usage:' . shard_of($_->{event_id}, 4) }
             map { entries($_, @keys) } qw(c1 c2)), '',
   'each where it belongs');
empty();



=== TEST 8: the audit is at the first shard's node, whatever it is called
--- usage: cluster://127.0.0.1:$TEST_NGINX_C1 shards=4 stream=au
--- check
my (undef, $owner) = slot_of('au:0');
is(operate('a', $_)->{status}, 200, $_) for qw(drain enable);
ok(wait_for(5, sub { server_cli($owner, 'XLEN', '{au:0}:audit') == 2 }),
   "both are at $owner");
my @keys = map { "au:$_" } 0 .. 3;
asks(20, 'records');
has(20, 'records', [qw(c1 c2)], @keys);
ok(!log_has(qr/does not take records/), 'nobody was in the way');
empty();



=== TEST 9: pins are at the first shard's node, and are read while they move
--- usage: cluster://127.0.0.1:$TEST_NGINX_C1,127.0.0.1:$TEST_NGINX_C2 shards=4 stream=pn pins=on
--- timeout: 80
--- check
my $key = '{pn:0}:pins';
my ($slot, $from, $to) = slot_of('pn:0');
my $read = sub {
    my ($n, $what) = @_;
    ok(wait_for(20, sub { status('section=pins')->{pins}{entries} >= $n }),
       $what);
};
ok(wait_for(8, sub { status('section=pins')->{pins}{reading} }), 'reading');
is(ask(path => '/v1/responses')->{status}, 200, 'stored') for 1 .. 3;
$read->(3, 'read where it is');
is(server_cli($from, 'XLEN', $key) + 0, 3, 'at the slot\'s node');

server_cli($from, 'DEL', $key, 'pn:0');
server_cli($to, 'CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $id{$from});
server_cli($from, 'CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $id{$to});
is(ask(path => '/v1/responses')->{status}, 200, 'stored') for 1 .. 3;
ok(wait_for(10, sub {
    server_cli($from, 'CLIENT', 'KILL', 'TYPE', 'normal');
    sleep 0.5;
    status('section=pins')->{pins}{entries} >= 6;
}), 'read where it is going');
server_cli($_, 'CLUSTER', 'SETSLOT', $slot, 'NODE', $id{$to}) for $to, $from;
is(ask(path => '/v1/responses')->{status}, 200, 'stored') for 1 .. 3;
$read->(9, 'and where it has gone');
is(server_cli($to, 'XLEN', $key) + 0, 6, 'at the other node');

server_cli($to, 'DEL', $key, 'pn:0');
# as an import, since that is of a later epoch than what others still believe
server_cli($from, 'CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $id{$to});
server_cli($to, 'CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $id{$from});
server_cli($_, 'CLUSTER', 'SETSLOT', $slot, 'NODE', $id{$from})
    for $from, $to;
is(ask(path => '/v1/responses')->{status}, 200, 'stored') for 1 .. 3;
$read->(12, 'and back again');
empty();



=== TEST 10: a master dies under load and its replica takes over
--- usage: cluster://127.0.0.1:$TEST_NGINX_C1,127.0.0.1:$TEST_NGINX_C3 shards=8 stream=u
--- timeout: 40
--- check
my @keys = map { "u:$_" } 0 .. 7;
my @fh = traffic(4, 60, 0.01);
sleep 0.3;
server_cli('c2', 'CLIENT', 'PAUSE', '5000', 'WRITE');
in_step('c3', 'c2');
server_down('c2', 'KILL');
sleep 0.3;
server_cli('c3', 'CLUSTER', 'FAILOVER', 'TAKEOVER');
is(served(@fh), 240, 'all were served');
has(240, 'after the failover', [qw(c1 c3)], @keys);
server_up('c2');
