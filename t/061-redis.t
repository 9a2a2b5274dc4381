# Copyright (C) nginx-ai-route contributors

# Usage records in a real Redis: one well-formed stream entry per request,
# whatever happens to Redis or nginx meanwhile, and no client that notices.

BEGIN {
    unless (grep { -x "$_/redis-server" } split /:/, $ENV{PATH}) {
        print "1..0 # SKIP redis-server is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute providers => ['a'], key => ['sk-s3cr3t'], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient qw(ask statuses);
use AIWorkers;

use POSIX ();
use Time::HiRes qw(time sleep);

$ENV{AI_TEST_KEY} = 'sk-s3cr3t';
$ENV{AI_TEST_REDIS} = 'redis-s3cr3t "x"';

my $tmp = tmp_dir();
my $unix_pid;

$ENV{TEST_NGINX_UNIX} = "$tmp/redis.sock";
$ENV{TEST_NGINX_MUTE_PORT} = free_port();

my $http = <<'END';
ai_class default { retry_same off; max_wait off; }

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 16;
    ai_account provider=openai base=http://a.test/v1 key=env:AI_TEST_KEY
               owner=search; }
upstream dead { server 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    ai_account provider=vllm base=http://dead/v1; }

ai_route m       { target a; }
ai_route two     { target dead; target a tier=2; }
ai_route refused { target dead; }
END

check_blocks(http => sub { 'ai_usage ' . ($_[0]->usage
                           || 'redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0')
                       . ";\n$http" },
             no_error_log => sub {
                 [qr/s3cr3t/, defined $_[0]->lossy
                              ? () : qr/records (?:lost|dropped)/]
             },
             reset => ['a'], perl => sub { eval shift });

END { kill 'TERM', $unix_pid if $unix_pid }

# so many requests, of which none may wait for Redis; the last one's id
sub asks {
    my ($n, $what) = @_;
    my @r = map { ask() } 1 .. $n;

    is(statuses(@r), "200:$n", "$what: all $n were served");
    AIClient::none_waited("$what: none of them waited", @r);
    return $r[-1]{id};
}

sub xlen { return 0 + (redis_cli('XLEN', $_[0] || 'ai:usage') =~ /(\d+)/)[0] }

# exactly so many entries, all different
sub has {
    my ($n, $what, $stream) = @_;

    wait_for(6, sub { xlen($stream) >= $n });
    sleep 0.1;
    is(xlen($stream), $n, "$what: $n entries");
    my %event = map { $_->{event_id} => 1 } usage_entries($stream);
    is(scalar keys %event, $n, "$what: all different");
}

# so many clients at once in processes of their own; what they got
sub load {
    my ($clients, $each) = @_;
    my @fh;

    for my $c (1 .. $clients) {
        my $pid = open my $fh, '-|';
        if (!$pid) {
            my $ok = 0;
            for (1 .. $each) {
                # few that need a second attempt: these have a budget
                my $r = ask(model => $_ % 10 ? 'm' : 'two',
                            stream => $_ % 2);
                $ok++ if $r->{status} == 200;
            }
            print "$ok\n";
            close STDOUT;
            POSIX::_exit(0);
        }
        push @fh, $fh;
    }
    return @fh;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: one well-formed entry per request
--- check
my @r = (ask(), ask(stream => 1), ask(model => 'two'),
         ask(model => 'refused'), ask(model => 'nope'), ask(body => 'hello'));
is(join(' ', map { $_->{status} } @r), '200 200 200 502 404 400', 'answers');

my @all = usage_entries('ai:usage', 8);
my @rec = grep { $_->{kind} eq 'request' } @all;
is(join(' ', map { $_->{request_id} } @rec), join(' ', map { $_->{id} } @r),
   'one of kind request each, in their order');
is(join(' ', map { "$_->{status}/$_->{outcome}" } @rec),
   '200/ok 200/ok 200/ok 502/error 404/rejected 400/rejected', 'fates');
is(join(' ', map { "$_->{attempt}:$_->{account}:$_->{outcome}" }
             grep { $_->{kind} eq 'attempt' } @all),
   '1:dead:error 2:a:ok', 'and of kind attempt for the one with two');

my %pinned = map { $_ => 1 } qw(id v event_id kind request_id ts_ms key_id app
    team env class endpoint stream model_requested model_served route account
    provider status outcome error_class attempt attempts fallback trail
    input_tokens output_tokens cache_read_tokens cache_write_tokens
    reasoning_tokens usage_source cost_nanousd cost_owner latency_ms ttft_ms
    queue_ms trace_id drill);
for my $rec (@all) {
    my $what = "$rec->{request_id} $rec->{kind}";
    is(join(',', grep { !$pinned{$_} } keys %$rec), '', "$what: only pinned");
    is(join(',', grep { $rec->{$_} !~ /^\d+$/ } grep { exists $rec->{$_} }
       qw(v ts_ms stream status attempt attempts input_tokens output_tokens
          latency_ms ttft_ms queue_ms drill)), '', "$what: decimal numbers");
    is(join(',', grep { !defined $rec->{$_} || $rec->{$_} eq '' }
       qw(v event_id kind request_id ts_ms key_id class stream status outcome
          usage_source latency_ms drill)), '', "$what: always there");
    like($rec->{event_id}, qr{^[0-9a-f]{32}/\d+$}, "$what: event_id");
}
is("@{$rec[0]}{qw(v route account provider model_requested endpoint
                  usage_source output_tokens attempts cost_owner)}",
   '1 m a openai m ' . $rec[0]{endpoint} . ' provider 8 1 search', 'values');
unlike(redis_cli('XRANGE', 'ai:usage', '-', '+'), qr/s3cr3t|word0/,
       'no secret and no text');
redis_cli('FLUSHALL');



=== TEST 2: Redis is killed and comes back
--- check
asks(5, 'before');
has(5, 'before');
redis_stop('KILL');
asks(20, 'meanwhile');
redis_start();
has(20, 'afterwards');
asks(5, 'again');
has(25, 'again');

# paused: it accepts everything and answers nothing
redis_cli('CLIENT', 'PAUSE', '700', 'WRITE');
asks(20, 'paused');
has(45, 'after the pause');

# connections cut under load; an entry may come twice, but none is missing
redis_cli('FLUSHALL');
my @fh = load(4, 40);
for (1 .. 8) {
    redis_cli('CLIENT', 'KILL', 'TYPE', 'normal');
    sleep 0.03;
}
my $ok = 0;
$ok += readline $_ for @fh;
is($ok, 160, 'cut connections: all were served');
wait_for(6, sub {
    160 <= grep { $_->{kind} eq 'request' } usage_entries()
});
my %event = map { $_->{event_id} => 1 }
            grep { $_->{kind} eq 'request' } usage_entries();
is(scalar keys %event, 160, 'cut connections: all were recorded');
redis_cli('FLUSHALL');
# the next block's nginx finds no Redis
redis_stop();



=== TEST 3: no Redis at the start
--- check
asks(10, 'without Redis');
sleep 0.3;
asks(10, 'still without');
redis_start();
has(20, 'when it is there');
redis_cli('FLUSHALL');
--- error_log
does not take records



=== TEST 4: Redis refuses entries for a while
--- check
redis_cli('CONFIG', 'SET', 'maxmemory', '1');
asks(10, 'out of memory');
sleep 0.2;
redis_cli('CONFIG', 'SET', 'maxmemory', '0');
has(10, 'memory is back');

redis_cli('REPLICAOF', '127.0.0.1', $ENV{TEST_NGINX_DEAD_PORT});
asks(10, 'read-only');
sleep 0.2;
redis_cli('REPLICAOF', 'NO', 'ONE');
has(20, 'writable again');

redis_cli('DEL', 'ai:usage');
redis_cli('SET', 'ai:usage', 'a string');
asks(10, 'wrong type');
sleep 0.2;
redis_cli('DEL', 'ai:usage');
has(10, 'the right type');
redis_cli('FLUSHALL');



=== TEST 5: password and database
# The password is set only after nginx has started: it asks again by itself.
--- usage: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/3 stream=my:stream password=env:AI_TEST_REDIS
--- check
asks(3, 'before there is a password');
redis_cli('CONFIG', 'SET', 'requirepass', $ENV{AI_TEST_REDIS});
local $ENV{REDISCLI_AUTH} = $ENV{AI_TEST_REDIS};
wait_for(6, sub {
    redis_cli('-n', '3', 'XLEN', 'my:stream') =~ /^3$/m
});
like(redis_cli('-n', '3', 'XLEN', 'my:stream'), qr/^3$/m, 'in database 3');
like(redis_cli('DBSIZE'), qr/^0$/m, 'nothing in database 0');
asks(3, 'after');
wait_for(3, sub {
    redis_cli('-n', '3', 'XLEN', 'my:stream') =~ /^6$/m
});
like(redis_cli('-n', '3', 'XLEN', 'my:stream'), qr/^6$/m, 'six in all');
redis_cli('FLUSHALL');
redis_cli('CONFIG', 'SET', 'requirepass', '');



=== TEST 6: maxlen keeps the stream short
--- usage: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT stream=short maxlen=30
--- check
redis_cli('CONFIG', 'SET', 'stream-node-max-entries', '10');
my $last = asks(100, 'maxlen');
wait_for(3, sub {
    my @rec = usage_entries('short');
    @rec && $rec[-1]{request_id} eq $last
});
my @rec = usage_entries('short');
is($rec[-1]{request_id}, $last, 'the newest are there');
cmp_ok(scalar @rec, '>=', 30, 'as many as asked for');
cmp_ok(scalar @rec, '<=', 45, 'and hardly more');
like(redis_cli('DBSIZE'), qr/^1$/m, 'in one stream');
redis_cli('FLUSHALL');



=== TEST 7: a Unix socket
--- usage: unix:$TEST_NGINX_UNIX stream=by:socket
--- check
$unix_pid = fork;
if ($unix_pid == 0) {
    open STDOUT, '>', '/dev/null';
    open STDERR, '>&', \*STDOUT;
    no warnings 'exec';
    exec 'redis-server', '--port', '0', '--unixsocket', "$tmp/redis.sock",
         '--unixsocketperm', '777', '--dir', $tmp, '--save', '';
    POSIX::_exit(127);
}
chmod 0755, $tmp;
asks(10, 'by a socket');
my $length = sub {
    return `redis-cli -s '$tmp/redis.sock' XLEN by:socket 2>/dev/null`;
};
wait_for(6, sub { $length->() =~ /^10$/m });
like($length->(), qr/^10$/m, 'ten entries');
kill 'TERM', $unix_pid;
waitpid $unix_pid, 0;
undef $unix_pid;



=== TEST 8: a Redis that never answers
--- usage: redis://127.0.0.1:$TEST_NGINX_MUTE_PORT
--- check
require IO::Socket::INET;
our $mute = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5,
                                  LocalPort => $ENV{TEST_NGINX_MUTE_PORT},
                                  ReuseAddr => 1) or die "cannot listen: $!\n";
asks(30, 'mute');
my @fh = load(3, 20);
my $ok = 0;
$ok += readline $_ for @fh;
is($ok, 60, 'mute: load');

# what waits for it does not keep the worker for ever
my $t = time;
nginx_signal('QUIT');
ok(wait_for(8, \&nginx_is_gone), 'nginx is gone');
cmp_ok(time - $t, '<', 6, 'in bounded time');
--- lossy



=== TEST 9: reload under load
--- check
my $each = 150;
my @fh = load(4, $each);
for (1 .. 3) {
    sleep 0.1;
    nginx_signal('HUP');
}
my $ok = 0;
$ok += readline $_ for @fh;
is($ok, 4 * $each, 'all were served');
wait_for(6, sub {
    4 * $each <= grep { $_->{kind} eq 'request' } usage_entries()
});
sleep 0.2;
my @rec = grep { $_->{kind} eq 'request' } usage_entries();
is(scalar @rec, 4 * $each, 'an entry each');
is(scalar(keys %{{ map { $_->{event_id} => 1 } @rec }}), 4 * $each,
   'all different');
redis_cli('FLUSHALL');



=== TEST 10: quit under load
# Everything that was accepted is answered and recorded before the end.
--- check
provider_fault('a', 'delay=300');
my @fh = load(20, 1);
sleep 0.15;
nginx_signal('QUIT');
my $ok = 0;
$ok += readline $_ for @fh;
is($ok, 20, 'all were served');
ok(wait_for(5, \&nginx_is_gone), 'nginx is gone');
my @rec = grep { $_->{kind} eq 'request' } usage_entries();
is(scalar @rec, 20, 'an entry each, before its end');
redis_cli('FLUSHALL');
