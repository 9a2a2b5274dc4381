# Copyright (C) nginx-ai-route contributors

# What operators do, and are not let, is in the log and in a stream or a file
# of records: who, what, when, and what became of it.

BEGIN {
    if (!grep { -x "$_/redis-server" } split /:/, $ENV{PATH}) {
        print "1..0 # SKIP redis-server is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute providers => [qw(a)], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use HTTP::Tiny ();
use IO::Socket::INET ();
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

$ENV{AI_TEST_REDIS} = 'pw';

my $tmp = tmp_dir();
my $redis = "redis://127.0.0.1:\$TEST_NGINX_REDIS_PORT/0";

# "sink" of a block in place of Redis
sub http {
    my $block = shift;
    my $sink = defined $block->sink ? $block->sink : "$redis maxlen=1000";

    return <<"END";
log_format id '\$request_id';
access_log $tmp/access.log id;
ai_usage $sink;
ai_class manual { allow_backup manual; }
ai_class off { allow_backup off; }
upstream a { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
ai_route m { target a; }
END
}

check_blocks(http => \&http, reset => ['a'], perl => sub { eval shift },
             config => 'location /none/ { ai_status; }',
             before => sub { redis_cli('FLUSHALL');
                             truncate "$tmp/$_", 0
                                 for qw(access.log usage.jsonl) });

# an operator's request: status of its answer
sub act {
    my ($path, %o) = @_;
    my $answer = HTTP::Tiny->new->request(
        $o{method} || 'POST',
        'http://127.0.0.1:' . Test::Nginx::Util::server_port() . $path,
        { headers => { Authorization => 'Bearer ' . ($o{bearer} || 's3cr3t'),
                       %{ $o{headers} || {} } } });

    return $answer->{status};
}

sub audit { return usage_entries('ai:usage:audit', @_) }

# without what no two have in common
sub plain {
    my %e = %{ $_[0] };
    delete @e{qw(id event_id ts_ms request_id)};
    return \%e;
}

sub log_lines {
    return [grep { /ai audit:/ } split /\n/,
            slurp("$tmp/servroot/logs/error.log")];
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: every action, with its fields
--- check
my $start = time() * 1000;
my @do = (
    ['/ai/accounts/a/drain', 200, { action => 'drain', object => 'account',
                                    account => 'a' }],
    ['/ai/accounts/A/disable?model=m', 200,
     { action => 'disable', object => 'account', account => 'a',
       model => 'm' }],
    ['/ai/accounts/a/enable?model=m%20n&endpoint=chat&stream=1', 200,
     { action => 'enable', object => 'account', account => 'a',
       model => 'm n', endpoint => 'chat', stream => 1 }],
    ['/ai/accounts/a/reset', 200, { action => 'reset', object => 'account',
                                    account => 'a' }],
    ['/ai/classes/manual/open', 200, { action => 'open', object => 'class',
                                       class => 'manual' }],
    ['/ai/classes/manual/close', 200, { action => 'close', object => 'class',
                                        class => 'manual' }],
    ['/ai/classes/off/open', 409, { action => 'open', object => 'class',
                                    class => 'off', result => 'refused' }],
    ['/ai/accounts/nobody/drain', 404,
     { action => 'drain', object => 'account', account => 'nobody',
       result => 'refused' }],
    ['/ai/accounts/a/drain?endpoint=chat', 400,
     { action => 'drain', object => 'account', account => 'a',
       endpoint => 'chat', result => 'refused' }],
);
is(act($do[$_][0], headers => { 'X-Request-ID' => "do-$_" }), $do[$_][1],
   "$do[$_][0]: status") for 0 .. $#do;
# of two workers: not in the order in which they were asked
my @e = sort { $a->{request_id} cmp $b->{request_id} } audit(scalar @do);
is(join(' ', map { $_->{request_id} } @e),
   join(' ', map { "do-$_" } 0 .. $#do), 'an entry for each');
for (0 .. $#do) {
    is_deeply(plain($e[$_]), { v => 1, kind => 'audit', result => 'ok',
                               status => $do[$_][1],
                               remote_addr => '127.0.0.1', %{ $do[$_][2] } },
              "$do[$_][0]: fields");
    like($e[$_]{event_id}, qr/^[0-9a-f]{32}$/, 'event_id');
    cmp_ok(abs($e[$_]{ts_ms} - $start), '<', 20_000, 'ts_ms');
}
is(scalar(keys %{{ map { $_->{event_id} => 1 } @e }}), scalar @do, 'unique');
my $log = log_lines();
is(scalar @$log, scalar @do, 'a line for each');
is(scalar(grep { $_ =~ /\[notice\] .* ai audit: ok 200 action="enable" object="account" account="a" model="m n" endpoint="chat" stream="1", client: 127\.0\.0\.1,/ } @$log), 1, 'which says so');
is(scalar(grep { / ai audit: refused 409 action="open" object="class" class="off",/ } @$log), 1,
   'what was refused');
# without an id of the client's it is the access log's
act('/ai/accounts/a/reset');
my ($id) = grep { !/^do-/ }
           map { $_->{request_id} } audit(scalar @do + 1);
ok(wait_for(3, sub { grep { $_ eq $id } split /\n/,
                         slurp_lines("$tmp/access.log") }), '$request_id');
is(redis_cli('XLEN', 'ai:usage') + 0, 0, 'nothing of it among the records');



=== TEST 2: who may not
--- check
is(act('/ai/accounts/a/drain', bearer => 'wrong'), 401, 'a wrong bearer');
is(act('/none/accounts/a/drain'), 403, 'where there is none');
is(act('/ai/accounts/secret-name/drain', bearer => 'wrong'), 401,
   'of no account');
my @e = sort { "$a->{account} $a->{status}" cmp "$b->{account} $b->{status}" }
             audit(3);
is_deeply([map { plain($_) } @e],
          [map { { v => 1, kind => 'audit', action => 'drain',
                   object => 'account', account => $_->[0],
                   result => 'denied', status => $_->[1],
                   remote_addr => '127.0.0.1' } }
               ['a', 401], ['a', 403], ['secret-name', 401]], 'entries');
is(ask()->{status}, 200, 'and nothing was drained');
# reading is nobody's business, and neither is what is not there
act('/ai/accounts/a/drain', method => 'GET');
act('/ai/accounts/a/nothing');
act('/ai/nothing');
sleep 0.3;
is(scalar(audit()), 3, 'no more');
my $all = join '', map { join ' ', %$_ } @e;
unlike($all . join('', @{ log_lines() }), qr/s3cr3t|wrong|\Q$ENV{TEST_NGINX_ADMIN}\E/,
       'no bearer anywhere');



=== TEST 3: a flood of them does not push others out
--- check
is(act('/ai/accounts/a/reset'), 200, 'an action');
my $n = 0;
my $start = time();
while (time() - $start < 2.2 || $n < 200) {
    act('/ai/accounts/a/drain', bearer => 'wrong');
    $n++;
}

# nor those whose body ends it before anybody asks for a bearer
for (1 .. 200) {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                PeerPort => Test::Nginx::Util::server_port()) or die;
    print $s "POST /ai/faults HTTP/1.1\r\nHost: x\r\n"
             . "Transfer-Encoding: chunked\r\n\r\nzz\r\n";
    like(scalar <$s>, qr/ 400 /, 'a broken body') if $_ == 1;
    $s->read(my $rest, 4096);
}
is(act('/ai/accounts/a/enable'), 200, 'another action');
ok(wait_for(3, sub { grep { $_->{action} eq 'enable' } audit() }),
   'which is there');
my @e = audit();
my $seconds = int(time() - $start) + 2;
between(scalar(grep { $_->{result} eq 'denied' } @e), 20, 20 * $seconds,
        'ten in a second of each worker');
cmp_ok(20 * $seconds, '<', $n + 200, 'which are not all');
is(scalar(grep { $_->{result} eq 'refused' } @e), 0, 'all of them denied');
# the workers' entries come by ways of their own
is(scalar(grep { $_->{action} eq 'reset' } @e), 1, 'the first one, too');
like(slurp("$tmp/servroot/logs/error.log"),
     qr/\[warn\] .* more than 10 were denied within a second/, 'said');



=== TEST 4: hostile names
--- check
my %bad = (
    'line feed' => ["a%0A2026%20x", "a\n2026 x"],
    'quotes'    => ['a%22%20result=%22ok', 'a" result="ok'],
    'no UTF-8'  => ["a%FF%C3b", "a\xff\xc3b"],
    'control'   => ['%01%1B%5B31m', "\x01\x1b[31m"],
    'HTML'      => ['%3Cscript%3E', '<script>'],
    'format'    => ['%25s%25n%25V', '%s%n%V'],
    'slashes'   => ['b/../c%2Fd', 'c/d'],
    'long'      => ['x' x 3000, 'x' x 512],
);
for my $what (sort keys %bad) {
    my ($path, $name) = @{ $bad{$what} };
    redis_cli('DEL', 'ai:usage:audit');
    is(act("/ai/accounts/$path/drain?model=%0Am", bearer => 'wrong'), 401,
       "$what: status");
    ok(wait_for(3, sub { redis_cli('XLEN', 'ai:usage:audit') == 1 }),
       "$what: an entry");
    # a line feed would be a line more
    my $raw = redis_cli('--no-raw', 'XRANGE', 'ai:usage:audit', '-', '+');
    my ($got) = $raw =~ /"account"\n\s*\d+\) "account"\n\s*\d+\) "(.*)"\n/;
    $got =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
    $got =~ s/\\(n|.)/$1 eq 'n' ? "\n" : $1/ge;
    is($got, $name, "$what: as it was");
    sleep 0.15;
}
for (split /\n/, slurp("$tmp/servroot/logs/error.log")) {
    like($_, qr/^\d{4}\/\d\d\/\d\d /, 'every line begins as one');
    unlike($_, qr/[\x00-\x1f]/, 'no control character');
}
my $log = log_lines();
is(scalar @$log, scalar keys %bad, 'a line for each');
is(scalar(grep { /account="a\\" result=\\"ok" model="\\nm", client: 127/ }
              @$log), 1, 'quotes are escaped');
is(scalar(grep { /account="a\\ufffd\\ufffdb"/ } @$log), 1,
   'U+FFFD for what is no UTF-8');
is(scalar(grep { /account="x{128}" model=/ } @$log), 1, 'cut');



=== TEST 5: a file has them among the records
--- sink: file:$TEST_NGINX_TMP/usage.jsonl
--- check
is(act('/ai/accounts/a/drain?model=%22%0A%FF', bearer => 'wrong'), 401,
   'denied');
is(ask()->{status}, 200, 'a request');
is(act('/ai/accounts/a/disable'), 200, 'done');
my @rec;
ok(wait_for(3, sub {
    @rec = map { JSON::PP::decode_json($_) }
               split /\n/, slurp_lines("$tmp/usage.jsonl");
    @rec == 3
}), 'three lines');
# two workers write, each in its own time
is_deeply([sort map { $_->{kind} } @rec], [qw(audit audit request)], 'kinds');
my ($denied) = grep { ($_->{result} || '') eq 'denied' } @rec;
my ($done) = grep { ($_->{action} || '') eq 'disable' } @rec;
is_deeply([@{$done}{qw(v action object account result status remote_addr)}],
          [1, 'disable', 'account', 'a', 'ok', 200, '127.0.0.1'], 'fields');
is($denied->{model}, "\"\n\x{fffd}", 'escaped');
my ($line) = grep { /"result":"denied"/ }
                  split /\n/, slurp_lines("$tmp/usage.jsonl");
is(join(' ', $line =~ /"(\w+)":/g), 'v event_id kind ts_ms action object '
   . 'account model result status remote_addr request_id', 'order');

# who reads the file is not confused
my $out = `t/tools/ledger-check $tmp/usage.jsonl 2>&1`;
is($? >> 8, 0, 'ledger-check agrees') or diag($out);
like($out, qr/^records +1 read/m, 'and has read one') or diag($out);



=== TEST 6: who reads the stream of records does not see them
--- check
is(act('/ai/accounts/a/reset'), 200, 'done');
is(ask()->{status}, 200, 'a request');
audit(1);
usage_entries('ai:usage', 1);
my $out = `t/tools/ledger-check redis://127.0.0.1:$redis_port/0 2>&1`;
is($? >> 8, 0, 'ledger-check') or diag($out);
$out = `python3 docs/examples/usage_consumer.py --redis redis://127.0.0.1:$redis_port/0 --once --db $tmp/usage.db 2>&1`;
like($out, qr/ 1 records read, 1 of them new/, 'consumer');



=== TEST 7: without Redis they wait, and shards have one stream of them
--- sink: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 shards=4 stream=s
--- check
redis_stop();
is(act("/ai/accounts/a/$_"), 200, $_) for qw(drain enable reset);
sleep 0.3;
redis_start();
my @e = sort map { $_->{action} } usage_entries('s:audit', 3);
is("@e", 'drain enable reset', 'all of them');



=== TEST 8: in a spool they outlive the worker
--- sink: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 spool=$TEST_NGINX_TMP/spool
--- log_ok chomp
exited on signal 9
--- check
redis_stop();
is(act("/ai/accounts/a/$_"), 200, $_) for qw(drain enable);
is(ask()->{status}, 200, 'a request');
kill_workers();
redis_start();
ok(wait_for(10, sub { redis_cli('XLEN', 'ai:usage:audit') >= 2
                      && redis_cli('XLEN', 'ai:usage') >= 1 }),
   'another worker has sent them');
my %n;
$n{ $_->{action} }++ for audit();
is(join(' ', sort keys %n), 'drain enable', 'to their own stream');
is(scalar(grep { $_->{kind} ne 'request' } usage_entries()), 0,
   'and only records to the other');



=== TEST 9: a Redis that forbids them does not hold up the records
--- sink: redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 user=gw password=env:AI_TEST_REDIS
--- main_config: env AI_TEST_REDIS;
--- check
redis_cli('ACL', 'SETUSER', 'gw', 'on', '>pw', '~ai:usage', '+xadd', '+role');
is(ask()->{status}, 200, 'before');
ok(wait_for(3, sub { redis_cli('XLEN', 'ai:usage') == 1 }), 'recorded');
is(act('/ai/accounts/a/reset'), 200, 'an action');
is(ask()->{status}, 200, 'after');
ok(wait_for(3, sub { redis_cli('XLEN', 'ai:usage') == 2 }), 'recorded, too');
# each of the workers has a connection of its own
ok(wait_for(3, sub {
    return slurp("$tmp/servroot/logs/error.log")
           =~ /\[error\] .* ai audit: redis \S+ takes no entries for "ai:usage:audit", one is given up: NOPERM/;
}), 'said');
redis_cli('ACL', 'SETUSER', 'gw', '~ai:usage:audit');
is(act('/ai/accounts/a/reset'), 200, 'allowed now');
is(scalar(audit(1)), 1, 'taken');
redis_cli('DEL', 'ai:usage:audit');
redis_cli('SET', 'ai:usage:audit', 'x');
is(act('/ai/accounts/a/reset'), 200, 'of another type');
is(ask()->{status}, 200, 'after');
ok(wait_for(3, sub { redis_cli('XLEN', 'ai:usage') == 3 }), 'recorded, too');
