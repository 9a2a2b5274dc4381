# Copyright (C) nginx-ai-route contributors

# Which account has what a client names again: known to all nodes that share a
# Redis, and to a node that was restarted.

BEGIN {
    unless (grep { -x "$_/redis-server" } split /:/, $ENV{PATH}) {
        print "1..0 # SKIP redis-server is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AINode;
use AIServer;
use AIWorkers;

use Digest::SHA qw(sha256_hex);
use HTTP::Tiny ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

workers(2);

$ENV{AI_TEST_REDIS} = 'pw';
$ENV{"TEST_NGINX_$_"} = free_port() for qw(ONE TWO LIAR);

my $tmp = tmp_dir();
my $json = JSON::PP->new->canonical;
my $redis = 'redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0';
my $stream = 'ai:usage:pins';
my @liars;

# what holds the folders, for workers that are nobody
chmod 0755, $tmp;

sub http {
    my $usage = $_[0]->usage || "$redis pins=on";

    return <<"END";
ai_usage $usage;
ai_class default { max_wait off; retry_same off; }
upstream one { server 127.0.0.1:\$TEST_NGINX_ONE;
    ai_account provider=compatible base=http://one/v1; }
upstream two { server 127.0.0.1:\$TEST_NGINX_TWO;
    ai_account provider=compatible base=http://two/v1; }
ai_route m { target one; target two tier=2; }
ai_route second { target two; target one tier=2; }
END
}

# an id of the account's own for whatever is made
sub serve {
    my $name = shift;

    own_server(uc $name, sub {
        my ($c, $raw) = @_;
        my ($id) = $raw =~ m{^GET \S*/(\S+) };
        $id //= "file-$name-$$" . int rand 1e9;
        my $answer = $json->encode({
            id => $id, choices => [{ message => { content => 'x' } }] });

        sleep 4 if $raw =~ /slowly/;
        syswrite $c, "HTTP/1.1 200 X\r\nContent-Type: application/json\r\n"
                     . 'Content-Length: ' . length($answer)
                     . "\r\nConnection: close\r\n\r\n$answer";
    });
}

# makes a file at an account, by way of a node or of the block's nginx
sub upload {
    my ($account, @node) = @_;
    my $r = ask(@node, path => '/v1/files', body => 'x',
                head => "X-AI-Account: $account\r\n");
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is("$r->{status} " . ($r->{h}{'x-ai-account'} // ''), "200 $account",
       "made at $account");
    return $json->decode($r->{body})->{id};
}

# "200 two", "404 "
sub found {
    my ($id, @node) = @_;
    my $r = ask(@node, method => 'GET', path => "/v1/files/$id", body => '');

    return "$r->{status} " . ($r->{h}{'x-ai-account'} // '');
}

# it may take a moment to get about
sub gets {
    my ($id, $account, $what, @node) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_for(8, sub { found($id, @node) eq "200 $account" }), $what)
        or diag(found($id, @node), ' ', $json->encode(pins($node[1])));
}

# of status, of a port
sub pins {
    my $port = shift || server_port();
    my $r = HTTP::Tiny->new->get("http://127.0.0.1:$port/ai/status"
                                 . '?section=pins');

    return $r->{success} ? $json->decode($r->{content})->{pins} : {};
}

sub reads {
    my ($what, @port) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_for(8, sub { pins(@port)->{reading} }), $what);
}

# the ids of their connections
sub readers {
    return map { /^id=(\d+) .*cmd=xread/ } split /\n/,
                                            redis_cli('CLIENT', 'LIST');
}

sub xlen { return (redis_cli('XLEN', $stream) =~ /(\d+)/)[0] }

# as another node would say it
sub hash_of { return substr sha256_hex($_[0]), 0, 32 }

sub entry {
    my ($id, $account, @more) = @_;

    redis_cli('XADD', $stream, '*', 'v', '1', 'kind', 'pin', 'id',
              hash_of($id), 'account', $account, @more);
}

sub logged { return scalar grep { /$_[0]/ } split /\n/, $_[1] // error_log() }

sub error_log { return slurp("$tmp/servroot/logs/error.log") }

# a Redis that takes everything, and says to XREAD what CODE makes of it; then
# it closes, unless it shall stay
sub liar {
    my ($stays, $code) = @_;
    my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64,
                LocalPort => $ENV{TEST_NGINX_LIAR}, ReuseAddr => 1)
        or die "cannot listen: $!\n";
    my $pid = fork;

    die "cannot fork: $!\n" unless defined $pid;
    push(@liars, $pid), return if $pid;
    setpgrp;
    $SIG{CHLD} = 'IGNORE';
    while (1) {
        my $c = $l->accept or next;
        next if fork;
        while (sysread $c, my $in, 65536) {
            my $n = () = $in =~ /XADD/g;
            syswrite $c, $n ? "\$3\r\n1-1\r\n" x $n : $code->($in);
            last unless $n || $stays;
        }
        POSIX::_exit(0);
    }
}

sub liars_end {
    kill 'KILL', -$_ for @liars;
    waitpid $_, 0 for splice @liars;
}

# before a block's nginx starts
sub fresh {
    redis_start();
    redis_cli('FLUSHALL');
    # one who may do no more than before there were pins
    redis_cli('ACL', 'SETUSER', 'gw', 'reset', 'on', '>pw', '%W~ai:usage',
              '+xadd');
}

fresh();

check_blocks(http => \&http,
             perl => sub {
                 my $rc = eval shift;
                 my $died = $@;

                 AINode::end_all();
                 liars_end();
                 fresh();
                 $@ = $died;
                 return $rc;
             },
             before => sub { serve('one'); serve('two') });

END { liars_end() }

no_long_string();
run_tests();

__DATA__

=== TEST 1: made by way of one node, asked for by way of another
--- check
my $port = node_start('b');
my @b = (port => $port);
reads('the first node reads');
reads('so does the second', $port);
my $id = upload('two');
is(found($id), '200 two', 'known at once where it was made');
gets($id, 'two', 'and soon elsewhere', @b);
is(found('file-unknown', @b), '404 ', 'what nobody has made is not');

# what names it in its body
my $r = ask(@b, path => '/v1/batches', body => qq({"input_file_id": "$id"}));
is("$r->{status} $r->{h}{'x-ai-account'}", '200 two', 'a batch');
my $batch = $json->decode($r->{body})->{id};
$r = ask(@b, model => 'm', more => qq("x":[{"file":{"file_id":"$id"}}],));
is($r->{h}{'x-ai-account'}, 'two', 'a chat with the file');
is(ask(@b, model => 'm')->{h}{'x-ai-account'}, 'one', 'and without');
gets($batch, 'two', 'the other way round');

# what is stored
$r = ask(@b, path => '/v1/responses', model => 'second');
my $stored = $json->decode($r->{body})->{id};
$r = wait_for(8, sub {
    my $r = ask(path => '/v1/responses', model => 'm',
                more => qq("previous_response_id":"$stored",));
    return $r->{h}{'x-ai-account'} eq 'two' && $r;
});
ok($r, 'a stored response is gone on with');

# each id once, though the answers to GET have had it, too
my ($e) = grep { $_->{id} eq hash_of($id) } usage_entries($stream);
is_deeply($e, { v => 1, kind => 'pin', id => hash_of($id), account => 'two' },
          'its fields');
my $raw = redis_cli('XRANGE', $stream, '-', '+');
is(scalar(() = $raw =~ /^\Q${\ hash_of($id)}\E$/mg), 1, 'one entry of it');
unlike($raw, qr/file-/, 'what a client could ask with is not in Redis');
my $p = pins($port);
ok($p->{known} >= 3 && $p->{entries} >= 3, 'counted');
is("$p->{stream} $p->{unknown} $p->{malformed} $p->{failures}",
   "$stream 0 0 0", 'and nothing else');
like($p->{last_id}, qr/^\d{13}-\d+$/, 'the last one');
is(scalar(readers()), 2, 'one worker of each node reads');



=== TEST 2: a restarted node
--- check
my $id = upload('two');
my $early = upload('one');
# more than one reply has
redis_cli('EVAL', q{for i = 1, 1500 do redis.call('XADD', KEYS[1], '*',
    'v', '1', 'kind', 'pin', 'id', string.sub(redis.sha1hex(i), 1, 32),
    'account', 'one') end}, 1, $stream);
entry('file-last', 'two');
nginx_stop();
nginx_start();
gets($id, 'two', 'the first one is back');
gets('file-last', 'two', 'the last one, too');
is(found($early), '200 one', 'of each account');
is(pins()->{entries}, 1503, 'all were read');
cmp_ok(pins()->{known}, '>=', 1503, 'and are kept');
is(xlen(), 1503, 'none of them was written again');
my $p = pins();
is("$p->{unknown} $p->{malformed} $p->{failures}", '0 0 0', 'nothing odd');



=== TEST 3: the zone has room for some
--- usage: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 pins=on; ai_zone small 256k
--- check
redis_cli('EVAL', q{for i = 1, 3000 do redis.call('XADD', KEYS[1], '*',
    'v', '1', 'kind', 'pin', 'id', string.sub(redis.sha1hex(i), 1, 32),
    'account', 'one') end}, 1, $stream);
entry('file-last', 'two');
gets('file-last', 'two', 'the last one is there');
my $p = pins();
is($p->{entries}, 3001, 'all were read');
my $half = $json->decode(HTTP::Tiny->new->get('http://127.0.0.1:'
               . server_port() . '/ai/status?section=zone')->{content})
               ->{zone}{room_bytes} / 2;
between($p->{known} * 128, $half - 128, $half + 128,
        'half of its room has them');
is(ask(model => 'm')->{status}, 200, 'and there is room for others');



=== TEST 4: a reload, with an old worker that stays
--- check
my $id = upload('two');
reads('before');
my ($old) = readers();
my $slow = open_request(model => 'm', more => '"x":"slowly",');
sleep 0.3;
reload();
my $other = upload('two');
gets($id, 'two', 'still known');
ok(wait_for(8, sub {
    my @now = readers();
    return pins()->{reading} && @now == 1 && $now[0] != $old;
}), 'a new worker reads, though old ones are there');
cmp_ok(scalar(workers_now()), '>', 2, 'which they are');
entry('file-other', 'two');
gets('file-other', 'two', 'and gets what is new');
is(answer($slow)->{status}, 200, 'the slow one is served');



=== TEST 5: workers are killed
--- log_ok chomp
exited on signal 9
--- check
reads('before');
kill_workers();
reads('after');
is(scalar(readers()), 1, 'by one of them');
entry('file-other', 'two');
gets('file-other', 'two', 'and gets what is new');



=== TEST 6: Redis is away when it is made
--- check
my $port = node_start('b');
my @b = (port => $port);
reads('node b reads', $port);
redis_stop();
my $id = upload('two');
is(found($id), '200 two', 'known where it was made');
is(found($id, @b), '404 ', 'elsewhere nothing is heard');
is(ask(@b, model => 'm')->{status}, 200, 'and nobody waits');
ok(wait_for(3, sub { !pins($port)->{reading} }), 'it shows');
sleep 1;
redis_start();
gets($id, 'two', 'it arrives', @b);
cmp_ok(pins($port)->{failures}, '>=', 1, 'counted');
my $log = node_log('b');
is(logged(qr/\[warn\] .* ai pins: redis 127\.0\.0\.1:\d+ cannot be read: /,
          $log), 1, 'said once');
ok(wait_for(3, sub { logged(qr/\[notice\] .* ai pins: redis \S+ is read again/,
                            node_log('b')) == 1 }), 'and that it is back');



=== TEST 7: a Redis that hangs
--- check
reads('before');
kill 'STOP', redis_pid();
my $id = upload('two');
is(found($id), '200 two', 'nobody waits');
ok(wait_for(20, sub { !pins()->{reading} }), 'noticed');
kill 'CONT', redis_pid();
reads('and back');
ok(wait_for(8, sub { xlen() >= 1 }), 'the sink has sent it');
--- timeout: 40



=== TEST 8: entries that are no pins
--- check
reads('before');
my @bad = (
    [id => 'x', account => 'one'],
    [v => 1, kind => 'pin', id => hash_of('z')],
    [v => 1, kind => 'pin', account => 'one'],
    [v => 1, kind => 'pin', id => hash_of('z'), account => ''],
    [v => 2, kind => 'pin', id => hash_of('z'), account => 'one'],
    [v => 1, kind => 'audit', id => hash_of('z'), account => 'one'],
    [v => 1, kind => 'pin', id => substr(hash_of('z'), 1), account => 'one'],
    [v => 1, kind => 'pin', id => hash_of('z') . '0', account => 'one'],
    [v => 1, kind => 'pin', id => 'z' x 32, account => 'one'],
    [v => 1, kind => 'pin', id => hash_of('z'), account => 'a' x 300],
    [v => 1, kind => 'pin', id => hash_of('z'), account => 'one',
     account => 'two'],
    ['%s%n%V' => "\r\n*3\r\n"],
);
redis_cli('XADD', $stream, '*', @$_) for @bad;
# too large for a buffer, and once more at the end
redis_cli('EVAL', q{redis.call('XADD', KEYS[1], '*', 'v', '1', 'id',
    string.rep('x', 200000))}, 1, $stream);
entry('file-good', 'two', map { ("more$_" => 'x' x 1000) } 1 .. 100);
redis_cli('EVAL', q{redis.call('XADD', KEYS[1], '*', string.rep('x', 900000),
    '1')}, 1, $stream);
# more than is read in one turn
redis_cli('EVAL', q{
    local f = {}
    for i = 1, 200 do f[i] = string.rep('x', 500) end
    for i = 1, 40 do redis.call('XADD', KEYS[1], '*', unpack(f)) end},
    1, $stream);
entry('file-nobody', 'nobody');
entry('file-last', 'two');
gets('file-last', 'two', 'the last one is read');
is(found('file-good'), '200 two', 'one with much beside it, too');
is(found('z'), '404 ', 'nothing of the others');
is(ask(model => 'm')->{status}, 200, 'served');
my $p = pins();
cmp_ok($p->{malformed}, '>=', @bad + 2 + 40, 'counted');
is($p->{unknown}, $p->{unknown} || 1, 'so is the account that is not here');
cmp_ok($p->{unknown}, '>=', 1, 'at least once');
is(logged(qr/\[warn\] .* ai pins: "\Q$stream\E" has entries that are no pins/),
   1, 'said once');
reads('and it goes on');
unlike(error_log(), qr/%s%n/, 'what they hold is not repeated');



=== TEST 9: a Redis that lies
--- usage: redis://127.0.0.1:$TEST_NGINX_LIAR/0 pins=on
--- check
my @lies = (
    '$3\r\nabc\r\n', '+OK\r\n', ':1\r\n', '*0\r\n', '*1\r\n*0\r\n',
    '*1\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n',
    '*1\r\n*2\r\n$1\r\nx\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*-1\r\n',
    '*1\r\n*2\r\n$1\r\nx\r\n*1\r\n*2\r\n:1\r\n*2\r\n:1\r\n$-1\r\n',
    '*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n$1\r\nx\r\n',
    '*2147483647\r\n*2147483647\r\n$1\r\nx\r\n', '$-2\r\n', '*x\r\n', 'x',
    '-ERR \x01\x02%s\r\n', '$400000\r\n' . 'x' x 100000,
);
liar(0, sub {
    open my $fh, '>>', "$tmp/lies";
    syswrite $fh, '.';
    my $lie = $lies[(-s $fh) % @lies];
    $lie =~ s/\\r/\r/g;
    $lie =~ s/\\n/\n/g;
    return $lie;
});
# after each of them there is another connection, more and more slowly
my @ports = map { node_start($_) } qw(b c d);
ok(wait_for(20, sub { -s "$tmp/lies" >= 2 * @lies }), 'asked for all');
sleep 2;
cmp_ok(-s "$tmp/lies", '<', 100, 'and not in a loop');
for my $port (server_port(), @ports) {
    is(ask(port => $port, model => 'm')->{status}, 200, 'served');
    my $id = upload('two', port => $port);
    is(found($id, port => $port), '200 two', 'and remembered');
}
is(logged(qr/ai pins: redis \S+ cannot be read/), 1, 'said once');
unlike(error_log(), qr/[\x01\x02]/, 'and printably');
--- timeout: 30



=== TEST 10: the same entry for ever
--- usage: redis://127.0.0.1:$TEST_NGINX_LIAR/0 pins=on
--- check
unlink "$tmp/lies";
liar(1, sub {
    open my $fh, '>>', "$tmp/lies";
    syswrite $fh, '.';
    my $h = hash_of('file-liar');
    return join "\r\n", qw(*1 *2 $1 x *1 *2 $3 5-5 *8 $1 v $1 1 $4 kind $3 pin
                           $2 id $32), $h, qw($7 account $3 two), '';
});
gets('file-liar', 'two', 'it is read');
unlink "$tmp/lies";
sleep 3;
cmp_ok(-s "$tmp/lies", '<', 30, 'but not in a loop');



=== TEST 11: a Redis that is loading for long: one step back, not ever more
--- usage: redis://127.0.0.1:$TEST_NGINX_LIAR/0 pins=on
--- check
unlink "$tmp/lies";
my $now = int(time * 1000);
liar(0, sub {
    open my $fh, '>>', "$tmp/lies";
    syswrite $fh, ($_[0] =~ /(\d+)-\d+\r\n$/)[0] . "\n";
    my $h = hash_of('file-liar');
    return $1 > 0 ? "-LOADING Redis is loading the dataset in memory\r\n"
         : join "\r\n", qw(*1 *2 $1 x *1 *2 $15), "$now-5",
                qw(*8 $1 v $1 1 $4 kind $3 pin $2 id $32), $h,
                qw($7 account $3 one), '';
});
gets('file-liar', 'one', 'it is read');
my @asked;
ok(wait_for(10, sub {
    @asked = grep { $_ > 0 } split /\n/, slurp_lines("$tmp/lies");
    @asked >= 6;
}), 'asked again');
my %from = map { $_ - $now => 1 } @asked;
is(join(' ', keys %from), '-60000', 'from the last minute on, each time');



=== TEST 12: not a stream
--- check
redis_cli('SET', $stream, 'x');
ok(wait_for(8, sub { logged(qr/ai pins: redis \S+ cannot be read: WRONGTYPE/) }),
   'it cannot be read');
my $id = upload('two');
is(found($id), '200 two', 'known here');
ok(wait_for(5, sub {
    logged(qr/\[error\] .* ai pins: redis \S+ takes no entries for "\Q$stream\E", one is given up: WRONGTYPE/)
}), 'nor written');
upload('two') for 1 .. 6;
ok(wait_for(5, sub { redis_cli('XLEN', 'ai:usage') >= 8 }),
   'records go on');
between(logged(qr/takes no entries/), 1, 2, 'said once by each worker');
redis_cli('DEL', $stream);
reads('it may be again');



=== TEST 13: a user without permission
--- usage: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 pins=on user=gw password=env:AI_TEST_REDIS
--- main_config: env AI_TEST_REDIS;
--- check
ok(wait_for(8, sub { logged(qr/ai pins: redis \S+ cannot be read: NOPERM/) }),
   'it cannot be read');
upload('two') for 1 .. 6;
ok(wait_for(5, sub { redis_cli('XLEN', 'ai:usage') >= 6 }), 'records go on');
between(logged(qr/takes no entries for .*: NOPERM/), 1, 2,
        'said once by each worker');
is(logged(qr/cannot be read/), 1, 'and once by who reads');
redis_cli('ACL', 'SETUSER', 'gw', "%RW~$stream", '+xread');
reads('allowed now');
my $id = upload('two');
ok(wait_for(5, sub { xlen() == 1 }), 'written, too');
--- no_error_log
s3cr3t



=== TEST 14: accounts that a node does not have yet
--- check
my $port = node_start('b', sub {
    s/^upstream two \{.*?\}$//ms;
    s/ target two( tier=2)?;//g or die;
    s/target one tier=2/target one/;
});
my @b = (port => $port);
# older than what a new connection reads again in any case
redis_cli('XADD', $stream, '1000-0', 'v', '1', 'kind', 'pin', 'id',
          hash_of('file-old'), 'account', 'two');
my $id = upload('two');
ok(wait_for(8, sub { pins($port)->{unknown} == 2 }), 'passed over');
my $known = upload('one');
ok(wait_for(8, sub { pins($port)->{known} >= 1 }), 'others are not');
node_reload('b');
gets($id, 'two', 'with the account it is read again', @b);
gets('file-old', 'two', 'however old', @b);
gets($known, 'one', 'and the others stay', @b);



=== TEST 15: how many there are
--- usage: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 pins=20 minid=7d
--- check
redis_cli('CONFIG', 'SET', 'stream-node-max-entries', '10');
upload('two') for 1 .. 60;
ok(wait_for(5, sub { pins()->{entries} >= 60 }), 'all went there');
between(xlen(), 20, 40, 'some are kept');
redis_cli('CONFIG', 'SET', 'stream-node-max-entries', '100');



=== TEST 16: in a spool they outlive the worker
--- usage: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 pins=on spool=$TEST_NGINX_TMP/spool
--- log_ok chomp
exited on signal 9
--- check
reads('before');
redis_stop();
my $id = upload('two');
nginx_kill();
redis_start();
nginx_start();
gets($id, 'two', 'another nginx has sent it, and read it');



=== TEST 17: not asked for
--- usage: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0
--- check
my $id = upload('two');
is(found($id), '200 two', 'known here');
ok(wait_for(5, sub { redis_cli('XLEN', 'ai:usage') >= 2 }), 'recorded');
is(redis_cli('EXISTS', $stream) + 0, 0, 'nothing else is written');
is(scalar(readers()), 0, 'nobody reads');
is_deeply(pins(), { known => 1, reading => JSON::PP::false(),
                    map { $_ => undef } qw(stream last_id entries unknown
                                           malformed failures) }, 'status');



=== TEST 18: what it may be
--- must_die
--- usage: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 pins=0
--- error_log
invalid "pins=0" in "ai_usage", write "pins=on", "pins=off" or how many



=== TEST 19: a word
--- must_die
--- usage: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 pins=yes
--- error_log
invalid "pins=yes" in "ai_usage"



=== TEST 20: for a file there are none
--- must_die
--- usage: file:$TEST_NGINX_TMP/usage.jsonl pins=on
--- error_log
takes no parameters, they are for Redis
