# Copyright (C) nginx-ai-route contributors

# Usage records go to the master that Sentinel names, before, during and after
# a failover.

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

$ENV{AI_TEST_REDIS} = 's3cr3t-1';
$ENV{AI_TEST_SENTINEL} = 's3cr3t-2';

# one sentinel decides alone; the other one watches nothing
my @quick = ('--repl-diskless-sync-delay', '0');

server_up('m1', @quick);
server_up('m2', @quick, '--replicaof', "127.0.0.1 $ENV{TEST_NGINX_M1}");
server_up($_, '--sentinel') for qw(s1 s2);

server_cli('s1', 'SENTINEL', 'MONITOR', 'ours', '127.0.0.1', server_at('m1'),
           '1');
server_cli('s1', 'SENTINEL', 'SET', 'ours', 'down-after-milliseconds', '1500',
           'failover-timeout', '4000');
wait_for(20, sub {
    server_cli('s1', 'SENTINEL', 'MASTER', 'ours') =~ /num-slaves\n1\n/
}) or die "no sentinel: ", server_cli('s1', 'SENTINEL', 'MASTER', 'ours');

my $http = <<'END';
ai_class default { retry_same off; max_wait off; }
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 16;
    ai_account provider=vllm base=http://a.test/v1; }
ai_route m { target a; }
END

check_blocks(http => sub { 'ai_usage ' . $_[0]->usage . ";\n$http" },
             no_error_log => sub {
                 [qr/s3cr3t/, defined $_[0]->lossy
                              ? () : qr/records (?:lost|dropped)/]
             },
             reset => ['a'], perl => sub { eval shift });

sub asks {
    my ($n, $what) = @_;
    my @r = map { ask() } 1 .. $n;

    is(statuses(@r), "200:$n", "$what: all $n were served");
}

sub has {
    my ($n, $what, @where) = @_;

    wait_for(15, sub { requests_in(@where) >= $n });
    is(requests_in(@where), $n, "$what: $n are recorded");
}

# "m1" or "m2", as the sentinels say
sub master {
    my ($port) = server_cli('s1', 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME',
                            'ours') =~ /\n(\d+)/;
    return $port == server_at('m1') ? 'm1' : 'm2';
}

sub in_sync {
    my $name = shift;

    in_step($name, grep { $_ ne $name } qw(m1 m2));
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: the first sentinel is away
--- usage: sentinel://127.0.0.1:$TEST_NGINX_DEAD_PORT,127.0.0.1:$TEST_NGINX_S1/ours/2
--- check
asks(20, 'sentinel');
cli_options('-n', 2);
has(20, 'at the master', master());
cli_options();
ok(log_has(qr/$ENV{TEST_NGINX_DEAD_PORT} is passed over: Connection refused/),
   'the log says so');
ok(!log_has(qr/does not take records/), 'nothing is warned of');
server_cli(master(), 'FLUSHALL');



=== TEST 2: a name that the sentinels do not know
--- usage: sentinel://127.0.0.1:$TEST_NGINX_S1,127.0.0.1:$TEST_NGINX_S2/theirs
--- check
asks(5, 'unknown');
ok(wait_for(3, sub {
    log_has(qr/does not take records: this sentinel does not know/)
}), 'the log says so');
nginx_signal('TERM');
ok(wait_for(8, \&nginx_is_gone), 'nginx is gone');
--- lossy



=== TEST 3: the master dies under load
--- usage: sentinel://127.0.0.1:$TEST_NGINX_S2,127.0.0.1:$TEST_NGINX_S1/ours
--- timeout: 60
--- check
my $old = master();
my ($new) = grep { $_ ne $old } qw(m1 m2);
in_sync($new);
my @fh = traffic(4, 80, 0.02);
sleep 0.3;
server_cli($old, 'CLIENT', 'PAUSE', '5000', 'WRITE');
in_step($new, $old);
server_down($old, 'KILL');
is(served(@fh), 320, 'all were served');
has(320, 'after the failover', $new);
is(master(), $new, 'the other one is the master');
ok(log_has(qr/takes records again/), 'the log says so');
server_up($old);
in_sync($old);
server_cli($new, 'FLUSHALL');



=== TEST 4: a failover by command, with both alive
# For some ten seconds the old master does not know that it is none, and would
# confirm what is lost then: min-replicas-to-write is what it takes.
--- usage: sentinel://127.0.0.1:$TEST_NGINX_S2,127.0.0.1:$TEST_NGINX_S1/ours
--- timeout: 60
--- check
my $old = master();
my ($new) = grep { $_ ne $old } qw(m1 m2);
in_sync($new);
server_cli($old, 'CONFIG', 'SET', 'min-replicas-to-write', '1');
my @fh = traffic(3, 80, 0.02);
sleep 0.2;
server_cli($old, 'CLIENT', 'PAUSE', '1500', 'WRITE');
in_step($new, $old);
server_cli('s1', 'SENTINEL', 'FAILOVER', 'ours');
ok(wait_for(15, sub { master() eq $new }), 'the other one is the master');
is(served(@fh), 240, 'all were served');
has(240, 'after the failover', $new);
server_cli($old, 'CONFIG', 'SET', 'min-replicas-to-write', '0');
in_sync($old);
server_cli($new, 'FLUSHALL');



=== TEST 5: pins are read from the master of the time
--- usage: sentinel://127.0.0.1:$TEST_NGINX_S2,127.0.0.1:$TEST_NGINX_S1/ours pins=on
--- timeout: 60
--- check
my $old = master();
my ($new) = grep { $_ ne $old } qw(m1 m2);
in_sync($new);
ok(wait_for(8, sub { status('section=pins')->{pins}{reading} }), 'reading');
is(ask(path => '/v1/responses')->{status}, 200, 'stored') for 1 .. 3;
ok(wait_for(8, sub { status('section=pins')->{pins}{entries} >= 3 }), 'read');
in_sync($new);
server_cli('s1', 'SENTINEL', 'FAILOVER', 'ours');
ok(wait_for(15, sub { master() eq $new }), 'the other one is the master');
in_sync($old);
is(ask(path => '/v1/responses')->{status}, 200, 'stored') for 1 .. 3;
ok(wait_for(20, sub { server_cli($new, 'XLEN', 'ai:usage:pins') >= 6 }),
   'written there');
ok(wait_for(20, sub { status('section=pins')->{pins}{entries} >= 6 }),
   'and read');
server_cli($new, 'FLUSHALL');



=== TEST 6: passwords of both
# They are set only after nginx has started.
--- usage: sentinel://127.0.0.1:$TEST_NGINX_S1/ours password=env:AI_TEST_REDIS sentinel_password=env:AI_TEST_SENTINEL
--- timeout: 30
--- check
my $master = master();
asks(3, 'before');
server_cli('s1', 'SENTINEL', 'SET', 'ours', 'auth-pass', $ENV{AI_TEST_REDIS});
for my $m (qw(m1 m2)) {
    server_cli($m, 'CONFIG', 'SET', 'masterauth', $ENV{AI_TEST_REDIS});
}
server_cli($master, 'CONFIG', 'SET', 'requirepass', $ENV{AI_TEST_REDIS});
server_cli('s1', 'ACL', 'SETUSER', 'default', 'resetpass',
           ">$ENV{AI_TEST_SENTINEL}");
server_cli($master, '-a', $ENV{AI_TEST_REDIS}, 'CLIENT', 'KILL', 'TYPE',
           'normal');
asks(3, 'after');
local $ENV{REDISCLI_AUTH} = $ENV{AI_TEST_REDIS};
has(6, 'with passwords', $master);
