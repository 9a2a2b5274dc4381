# Copyright (C) nginx-ai-route contributors

# Several Redis servers for usage records: a list of which one takes them,
# users with few permissions, passwords and addresses that change, shards.
# Whatever happens to a server, a record is there in the end.

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
use AIWorkers;

use IO::Socket::INET ();
use Time::HiRes qw(time sleep);

my $tmp = tmp_dir();

password("first-s3cr3t\r\n");

server_up('one');
server_up('two', '--replicaof', "127.0.0.1 $ENV{TEST_NGINX_ONE}");
server_up('sock', '--unixsocket', "$tmp/sock", '--unixsocketperm', '777');
chmod 0755, $tmp;

for my $name (qw(one two)) {
    server_cli($name, 'ACL', 'SETUSER', 'gateway', 'reset', 'on',
               '>first-s3cr3t', '~ai:u', '+xadd');
}

my $dns = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1')
    or die "udp: $!\n";
$ENV{TEST_NGINX_DNS} = $dns->sockport;
dns_says('127.0.0.1');
my $dns_pid = fork_dns();
my $owner = $$;

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

END { kill 'TERM', $dns_pid if $dns_pid && $$ == $owner }

sub asks {
    my ($n, $what) = @_;
    my @r = map { ask() } 1 .. $n;

    is(statuses(@r), "200:$n", "$what: all $n were served");
    AIClient::none_waited("$what: none of them waited", @r);
}

sub has {
    my ($n, $what, @where) = @_;

    wait_for(10, sub { requests_in(@where) >= $n });
    is(requests_in(@where), $n, "$what: $n are recorded");
}

sub worker_killed {
    my ($old) = workers_now();

    kill 'KILL', $old;
    wait_for(5, sub { my ($new) = workers_now(); $new && $new != $old })
        or die "no new worker\n";
    sleep 0.3;
}

# both as they were: one is the master, and empty
sub as_it_was {
    server_up($_) for grep { server_cli($_, 'PING') eq '' } qw(one two);
    server_cli('one', 'REPLICAOF', 'NO', 'ONE');
    server_cli('one', 'FLUSHALL');
    server_cli('two', 'REPLICAOF', '127.0.0.1', server_at('one'));
    in_step('two', 'one');
}

sub password {
    open my $fh, '>', "$tmp/password.new" or die "password: $!\n";
    print $fh @_;
    close $fh;
    rename "$tmp/password.new", "$tmp/password" or die "password: $!\n";
}

# what "localhost" is, by the resolver's word

sub dns_says {
    open my $fh, '>', "$tmp/dns.new" or die "dns: $!\n";
    print $fh @_;
    close $fh;
    rename "$tmp/dns.new", "$tmp/dns" or die "dns: $!\n";
}

sub fork_dns {
    my $pid = fork;
    return $pid if $pid;

    while (1) {
        my ($query, @a) = ('');
        next unless $dns->recv($query, 512);
        my $say = slurp("$tmp/dns");
        next if $say eq 'SILENCE';
        my $question = substr $query, 12;
        my $type = unpack 'n', substr $question, -4, 2;
        @a = pack('n n n N n a4', 0xc00c, 1, 1, 1, 4,
                  pack('C4', split /\./, $say)) if $type == 1;
        $dns->send(pack('a2 n n n n n', substr($query, 0, 2), 0x8180, 1,
                        scalar @a, 0, 0) . $question . join '', @a);
    }
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: the replica is first in the list
--- usage: redis://127.0.0.1:$TEST_NGINX_TWO,127.0.0.1:$TEST_NGINX_ONE/3
--- check
in_step('two', 'one');
asks(20, 'replica first');
cli_options('-n', 3);
has(20, 'at the master', 'one');
cli_options();
ok(log_has(qr/:$ENV{TEST_NGINX_TWO} is passed over: its role is "slave"/),
   'it says why');
ok(!log_has(qr/does not take records/), 'and warns of nothing');
as_it_was();



=== TEST 2: a user who may not ask for the role
# READONLY tells; the ACL is the one of docs/redis.md without +role.
--- usage: redis://gateway@127.0.0.1:$TEST_NGINX_TWO,127.0.0.1:$TEST_NGINX_ONE stream=ai:u password=file:$TEST_NGINX_TMP/password
--- check
asks(10, 'few permissions');
has(10, 'at the master', 'one', 'ai:u');
ok(log_has(qr/does not take records: READONLY/), 'the log says why');
as_it_was();

# the password changes: the connection that stands goes on, the next has it
password('second-s3cr3t');
server_cli($_, 'ACL', 'SETUSER', 'gateway', 'resetpass', '>second-s3cr3t')
    for qw(one two);
asks(5, 'password has changed');
ok(wait_for(5, sub { log_has(qr/"password=" of "ai_usage"/) }),
   'the change is seen');
server_cli($_, 'CLIENT', 'KILL', 'USER', 'gateway') for qw(one two);
asks(5, 'and the connection is cut');
has(10, 'with the new password', 'one', 'ai:u');

# a wrong one: nothing is lost meanwhile
server_cli($_, 'ACL', 'SETUSER', 'gateway', 'resetpass', '>third')
    for qw(one two);
server_cli($_, 'CLIENT', 'KILL', 'USER', 'gateway') for qw(one two);
asks(5, 'wrong password');
ok(wait_for(5, sub { log_has(qr/AUTH or SELECT refused: WRONGPASS/) }),
   'the log says so');
server_cli($_, 'ACL', 'SETUSER', 'gateway', 'resetpass', '>second-s3cr3t')
    for qw(one two);
has(15, 'the right one again', 'one', 'ai:u');
server_cli($_, 'ACL', 'DELUSER', 'gateway') for qw(one two);
as_it_was();



=== TEST 3: the master dies under load and the replica takes over
# What the dead one had is in the other, or is sent to it: replication is
# asynchronous, so entries of its last moment are counted where they were.
--- usage: redis://127.0.0.1:$TEST_NGINX_ONE,127.0.0.1:$TEST_NGINX_TWO
--- check
in_step('two', 'one');
my @fh = traffic(4, 60, 0.01);
sleep 0.3;
server_cli('one', 'CLIENT', 'PAUSE', '5000', 'WRITE');
in_step('two', 'one');
server_down('one', 'KILL');
sleep 0.3;
server_cli('two', 'REPLICAOF', 'NO', 'ONE');
is(served(@fh), 240, 'all were served');
has(240, 'after the failover', 'two');
is(log_count(qr/does not take records/), 1, 'one warning');
is(log_count(qr/takes records again/), 1, 'one all-clear');
as_it_was();



=== TEST 4: a master becomes a replica
--- usage: redis://127.0.0.1:$TEST_NGINX_ONE,127.0.0.1:$TEST_NGINX_TWO
--- check
in_step('two', 'one');
my @fh = traffic(3, 50, 0.01);
sleep 0.2;
server_cli('one', 'CLIENT', 'PAUSE', '10000', 'WRITE');
in_step('two', 'one');
server_cli('two', 'REPLICAOF', 'NO', 'ONE');
server_cli('one', 'REPLICAOF', '127.0.0.1', server_at('two'));
server_cli('one', 'CLIENT', 'UNPAUSE');
is(served(@fh), 150, 'all were served');
has(150, 'at the new master', 'two');
as_it_was();



=== TEST 5: a server that hangs
# The first reply is missed after five seconds.
--- usage: redis://127.0.0.1:$TEST_NGINX_ONE,127.0.0.1:$TEST_NGINX_TWO
--- timeout: 20
--- check
in_step('two', 'one');
asks(5, 'before');
has(5, 'before', 'two');
server_signal('one', 'STOP');
server_cli('two', 'REPLICAOF', 'NO', 'ONE');
asks(10, 'hanging');
has(15, 'at the other one', 'two');
ok(log_has(qr/does not take records: no reply/), 'the log says so');
server_signal('one', 'CONT');
as_it_was();



=== TEST 6: nobody takes records, and nginx ends
--- usage: redis://127.0.0.1:$TEST_NGINX_DEAD_PORT,127.0.0.1:$TEST_NGINX_TWO
--- check
in_step('two', 'one');
asks(5, 'nobody');
ok(wait_for(3, sub { log_has(qr/does not take records/) }), 'a warning');
sleep 1.5;
is(log_count(qr/does not take records/), 1, 'a single one');
is(log_count(qr/is passed over/), 1, 'and each node told once');
my $t = time;
nginx_signal('QUIT');
ok(wait_for(8, \&nginx_is_gone), 'nginx is gone');
cmp_ok(time - $t, '<', 6, 'in bounded time');
--- lossy



=== TEST 7: the master comes back while nginx ends
--- usage: redis://127.0.0.1:$TEST_NGINX_TWO,127.0.0.1:$TEST_NGINX_ONE
--- check
in_step('two', 'one');
server_down('one', 'KILL');
asks(7, 'nobody');
nginx_signal('QUIT');
sleep 0.5;
server_up('one');
ok(wait_for(8, \&nginx_is_gone), 'nginx is gone');
has(7, 'before its end', 'one');
as_it_was();



=== TEST 8: a fast end finds the one that takes records
# No event loop any more: the list is gone through within a second.
--- usage: redis://127.0.0.1:$TEST_NGINX_TWO,127.0.0.1:$TEST_NGINX_ONE
--- check
in_step('two', 'one');
server_cli('one', 'CLIENT', 'PAUSE', '400', 'WRITE');
asks(7, 'paused');
nginx_signal('TERM');
ok(wait_for(8, \&nginx_is_gone), 'nginx is gone');
has(7, 'before its end', 'one');
as_it_was();



=== TEST 9: shards of one server
--- usage: redis://127.0.0.1:$TEST_NGINX_ONE stream=u shards=4
--- check
asks(80, 'shards');
my @keys = map { "u:$_" } 0 .. 3;
has(80, 'in all', 'one', @keys);
cmp_ok(requests_in('one', $_), '>', 5, "some in $_") for @keys;
like(server_cli('one', 'DBSIZE'), qr/^4$/m, 'nothing elsewhere');
is(join(' ', grep { $_->{key} ne 'u:' . shard_of($_->{event_id}, 4) }
             entries('one', @keys)), '', 'each where it belongs');
is(scalar(() = server_cli('one', 'CLIENT', 'LIST') =~ /cmd=xadd/g), 1,
   'over one connection');
as_it_was();



=== TEST 10: minid removes what is old
--- usage: redis://127.0.0.1:$TEST_NGINX_ONE minid=1h
--- check
server_cli('one', 'CONFIG', 'SET', 'stream-node-max-entries', '10');
my $now = int(time() * 1000);
server_cli('one', 'XADD', 'ai:usage', $now - 7200000 + $_, 'old', '1')
    for 1 .. 20;
server_cli('one', 'XADD', 'ai:usage', $now - 1800000 + $_, 'young', '1')
    for 1 .. 20;
asks(3, 'minid');
has(3, 'minid', 'one');
my @e = entries('one');
is(scalar(grep { $_->{old} } @e), 0, 'the old ones are gone');
is(scalar(grep { $_->{young} } @e), 20, 'the others are not');
as_it_was();



=== TEST 11: a socket and a database
--- usage: unix:$TEST_NGINX_TMP/sock:5
--- check
asks(4, 'socket');
cli_options('-n', 5);
has(4, 'in database 5', 'sock');
cli_options();
like(server_cli('sock', 'DBSIZE'), qr/^0$/m, 'nothing in database 0');



=== TEST 12: a name whose address changes
# At start it is what the system says, 127.0.0.1; "one" is there alone.
--- usage: redis://localhost:$TEST_NGINX_ONE; resolver 127.0.0.1:$TEST_NGINX_DNS ipv6=off valid=1s
--- timeout: 20
--- check
asks(4, 'name');
has(4, 'name', 'one');

# it moves to another address: the old one refuses connections
my $port = server_at('one');
server_down('one', 'KILL');
my $pid = AIRoute::spawn('moved', 'redis-server', '--port', $port, '--bind',
                         '127.0.0.2', '--dir', $tmp, '--save', '');
dns_says('127.0.0.2');
asks(6, 'moved');
my $xlen = sub { `redis-cli -h 127.0.0.2 -p $port XLEN ai:usage 2>&1` };
wait_for(10, sub { $xlen->() =~ /^6$/m });
like($xlen->(), qr/^6$/m, 'at the new address');
# a name server that is silent changes nothing
dns_says('SILENCE');
sleep 1.2;
system("redis-cli -h 127.0.0.2 -p $port CLIENT KILL TYPE normal >/dev/null");
asks(2, 'silent name server');
wait_for(10, sub { $xlen->() =~ /^8$/m });
like($xlen->(), qr/^8$/m, 'the last address stays');
ok(log_has(qr/redis localhost 127\.0\.0\.2:$port/), 'the log names it');

kill 'KILL', $pid;
waitpid $pid, 0;
dns_says('127.0.0.1');
as_it_was();



=== TEST 13: shards and a spool
# What a killed worker left finds its stream again.
--- usage: redis://127.0.0.1:$TEST_NGINX_ONE shards=4 spool=$TEST_NGINX_TMP/spool-13
--- log_ok chomp
exited on signal 9
--- timeout: 20
--- check
my @keys = map { "ai:usage:$_" } 0 .. 3;
server_down('one', 'KILL');
asks(30, 'no Redis');
worker_killed();
asks(10, 'another worker');
server_up('one');
has(40, 'when it is there', 'one', @keys);
is(join(' ', grep { $_->{key} ne 'ai:usage:' . shard_of($_->{event_id}, 4) }
             entries('one', @keys)), '', 'each where it belongs');
as_it_was();
