# Copyright (C) nginx-ai-route contributors

# Drills as operators begin, see and end them: who may, what is refused and in
# which words, and when a fault ends by itself.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIFault;
use AIWorkers;

use HTTP::Tiny ();
use IO::Socket::INET ();
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_class batch { expose trail; }
END

my $accounts = <<'END';
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=openai base=http://b/v1; }
ai_route m { target a; target b tier=2; }
END

check_blocks(http => $http, accounts => $accounts, reset => [qw(a b)],
             config => "location /read/ { ai_status; }\n",
             perl => sub { eval shift });

sub log_has { return slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log") =~ $_[0] }

sub post { return fault_call('POST', 'faults', @_) }

# bytes as they are, and all that comes back
sub raw {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => server_port()) or die;
    print $s $_[0];
    local $/;
    return scalar <$s>;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: begun, seen, ended
--- check
my $t = time() * 1000;
my $f = fault_begin(account => 'a', fault => 'status');
my $end = time() * 1000;
is_deeply([sort keys %$f],
          [sort qw(id account fault status delay_ms percent model key_id class
                   active started_ms ends_ms ended_ms ended_by requests hit
                   ok saved lost attempts added_ms moved_nanousd first_hit_ms
                   detected_ms returned_ms timeline)], 'its fields');
is_deeply([@{$f}{qw(account fault status percent)}],
          ['a', 'status', 503, 100], 'as asked for, and by default');
is_deeply([@{$f}{qw(delay_ms model key_id class ended_ms ended_by first_hit_ms
                    detected_ms returned_ms)}], [(undef) x 9], 'not given');
is_deeply([@{$f}{qw(requests hit ok saved lost attempts added_ms
                    moved_nanousd)}], [(0) x 8], 'no counts yet');
ok($f->{active}, 'active');
between($f->{started_ms}, $t - 20, $end + 20, 'began now');
is($f->{ends_ms} - $f->{started_ms}, 60000, 'for a minute');
is_deeply([map { "$_->{what} $_->{account} $_->{detail}" }
               @{ $f->{timeline} }], ["fault_started a $f->{id}"],
          'an event');

my $g = fault_begin(account => 'b', fault => 'slow_first_token', percent => 7,
                    delay => '250ms', ttl => '1h', model => 'gpt-*',
                    key_id => 'k"<b>', class => 'batch');
is_deeply([@{$g}{qw(fault status delay_ms percent model key_id class)}],
          ['slow_first_token', undef, 250, 7, 'gpt-*', 'k"<b>', 'batch'],
          'all members');
isnt($g->{id}, $f->{id}, 'ids differ');

is_deeply([map { $_->{id} } faults()], [$g->{id}, $f->{id}], 'both listed');
is_deeply(fault_seen($f->{id}), $f, 'one of them');

my $r = fault_call('DELETE', "faults/$f->{id}");
is($r->{status}, 200, 'deleted');
ok(!$r->{json}{active}, 'not active');
is($r->{json}{ended_by}, 'operator', 'by the operator');
between($r->{json}{ended_ms}, $f->{started_ms}, time() * 1000 + 20, 'when');
is(join(' ', map { $_->{what} } @{ $r->{json}{timeline} }),
   'fault_started fault_ended', 'an event as well');
$r = fault_call('DELETE', "faults/$f->{id}");
is("$r->{status} $r->{json}{ended_by}", '200 operator', 'once more');
is(scalar(grep { $_->{active} } faults()), 1, 'the other one stays');
ok(log_has(qr/\[notice\].*account "a": operator's fault \Q$f->{id}\E, status, 100 percent, for 60000 ms.*client: 127/),
   'the log has its begin, and who began it');
ok(log_has(qr/\[notice\].*fault \Q$f->{id}\E: operator's delete.*client:/),
   'and its end');



=== TEST 2: who may
--- check
my $body = '{"account":"a","fault":"cut"}';
for ([POST => 'faults', $body], [DELETE => 'faults/1']) {
    is(fault_call(@$_[0, 1], $_->[2], 'wrong')->{status}, 401,
       "$_->[0]: another's bearer");
    my $r = fault_call(@$_[0, 1], $_->[2], '');
    is("$r->{status} $r->{json}{error}{code}", '401 invalid_api_key',
       "$_->[0]: no bearer");
    is($r->{headers}{'www-authenticate'}, 'Bearer', "$_->[0]: what is wanted");
}
is(fault_call('GET', 'faults', undef, '')->{status}, 200, 'reading is free');
my $r = HTTP::Tiny->new->post('http://127.0.0.1:' . server_port()
            . '/read/faults', { content => $body,
                                headers => { Authorization =>
                                             'Bearer s3cr3t' } });
is($r->{status}, 403, 'without admin= nobody may');
is(scalar(faults()), 0, 'nothing was begun');

# a body that nobody reads must not become the next request
my $refused = "POST /ai/faults HTTP/1.1\r\nHost: x\r\nContent-Length: "
              . length($body) . "\r\n\r\n$body";
is(join(' ', raw($refused . $refused . "GET /up HTTP/1.1\r\nHost: x\r\n"
                 . "Connection: close\r\n\r\n") =~ m{HTTP/1.1 (\d+)}g),
   '401 401 204', 'the connection goes on');

$r = fault_call('PUT', 'faults');
is("$r->{status} $r->{headers}{allow}", '405 GET, HEAD, POST', 'methods');
$r = fault_call('POST', 'faults/1', $body);
is("$r->{status} $r->{headers}{allow}", '405 GET, HEAD, DELETE',
   'methods of one');



=== TEST 3: what is refused, and in which words
--- check
my $ok = '"account":"a","fault":"status"';
my @bad = (
    ['', 'the body is empty, it must be a JSON object'],
    ['[]', 'the body is not one valid JSON object'],
    ["{$ok", 'the body is not one valid JSON object'],
    ['{}', '"account" is missing'],
    ["{$ok,\"x\":1}", '"x" is not a member that faults have'],
    ["{$ok,\"percent\":0}", '"percent" must be an integer from 1 to 100'],
    ["{$ok,\"status\":200}", '"status" must be an integer from 400 to 599'],
    ["{$ok,\"ttl\":\"2h\"}", '"ttl" must be a time from "1s" to "1h"'],
    ["{$ok,\"ttl\":\"500ms\"}", '"ttl" must be a time from "1s" to "1h"'],
    ["{$ok,\"delay\":\"1s\"}",
     '"delay" belongs to the fault "slow_first_token" only'],
    ["{$ok,\"class\":7}", '"class" must be a string'],
    ["{$ok,\"a\\\"\\u0007\\n<script>\":7}",
     "\"a\"\a\n<script>\" is not a member that faults have"],
);
for (@bad) {
    my $r = post($_->[0]);
    is("$r->{status} " . ($r->{json}{error}{message} // '-'),
       "400 $_->[1]", "refused: $_->[0]");
    is($r->{headers}{'cache-control'}, 'no-store', 'not cached');
}

my $r = post('{"account":"none","fault":"cut"}');
is("$r->{status} $r->{json}{error}{code}", '404 account_not_found',
   'an unknown account');
$r = post("{$ok,\"class\":\"none\"}");
is("$r->{status} $r->{json}{error}{code}", '404 class_not_found',
   'an unknown class');
for my $id (qw(0 1 x 19f00000000 FFFFFFFFFFF ffffffffffffffffffffff a/b),
            '1%22', '%0a')
{
    is(fault_call('GET', "faults/$id")->{status}, 404, "no fault $id");
    is(fault_call('DELETE', "faults/$id")->{status}, 404, "nor to end");
}
is(scalar(faults()), 0, 'nothing was begun');



=== TEST 4: large bodies, and in pieces
--- check
my $r = post(' ' x 4000 . '{"account":"a","fault":"cut"}');
is($r->{status}, 201, 'below the limit');
$r = post(' ' x 4096 . '{"account":"a","fault":"cut"}');
is("$r->{status} $r->{json}{error}{code}", '413 request_too_large', 'above');
$r = post('x' x 900_000);
is($r->{status}, 413, 'far above');

my $head = "POST /ai/faults HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
           . "Authorization: Bearer s3cr3t\r\n"
           . "Transfer-Encoding: chunked\r\n\r\n";
my $chunks = join '', map { sprintf "%x\r\n%s\r\n", length $_, $_ }
                          '{"account":"a",', '"fault":', '"cut"}';
like(raw("$head${chunks}0\r\n\r\n"), qr{^HTTP/1.1 201 }, 'chunked');
my $many = sprintf("%x\r\n%s\r\n", 1000, ' ' x 1000) x 30;
like(raw("$head$many${chunks}0\r\n\r\n"), qr{^HTTP/1.1 413 },
     'chunked, too large');
faults_end();



=== TEST 5: as many as there may be
--- check
my @id = map { fault_begin(account => $_ % 2 ? 'a' : 'b', fault => 'timeout',
                           ttl => '1h')->{id} } 1 .. 16;
my $r = post('{"account":"a","fault":"cut"}');
is("$r->{status} $r->{json}{error}{code}", '409 too_many_faults', 'one more');
fault_end($id[3]);
is(post('{"account":"a","fault":"cut"}')->{status}, 201, 'one for one');
for (1 .. 40) {
    my ($f) = grep { $_->{active} } faults();
    fault_end($f->{id});
    fault_begin(account => 'a', fault => 'cut', ttl => '1h');
}
my @f = faults();
is(scalar(@f), 32, 'and the last ended ones');
is(scalar(grep { $_->{active} } @f), 16, '16 of them active');
my %seen = map { $_->{id} => 1 } @f;
is(scalar(keys %seen), 32, 'each once');
is(join(' ', map { $_->{id} } @f),
   join(' ', sort { $b cmp $a } keys %seen), 'the newest first');
my ($gone) = grep { !$seen{$_} } @id;
is(fault_call('GET', "faults/$gone")->{status}, 404, 'the first is gone');
faults_end();
is(scalar(grep { $_->{active} } faults()), 0, 'all ended');
is(way(ask()), 'a', 'the account serves');



=== TEST 6: it ends by itself
--- check
my $f = fault_begin(account => 'a', fault => 'status', status => 500,
                    ttl => '2s');
is(way(ask()), 'a,b', 'it is met');
my $ends = $f->{ends_ms} / 1000;
sleep $ends - time() - 0.2;
my $way = way(ask());
# a busy machine may come too late
is(time() < $ends ? $way : 'a,b', 'a,b', 'until its end');
my $rest = $ends - time() + 0.03;
sleep $rest if $rest > 0;

# whether or not anybody has noticed
is(way(ask()), 'a', 'not after it');
my $g = fault_seen($f->{id});
ok(!$g->{active}, 'ended');
is("$g->{ended_by} $g->{ended_ms}", "ttl $f->{ends_ms}", 'by its time');

ok(wait_for(5, sub { log_has(qr/ai fault \Q$f->{id}\E has ended: its time is over/) }),
   'the log knows it soon');
is(join(' ', map { $_->{what} } @{ fault_seen($f->{id})->{timeline} }),
   'fault_started fault_ended', 'and so do the events');
sleep 1;
my $n = () = slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log")
             =~ /fault \Q$f->{id}\E has ended/g;
is($n, 1, 'said once, by one of two workers');



=== TEST 7: over a reload, and when its account goes
--- check
my $conf = "$ENV{TEST_NGINX_SERVROOT}/conf/nginx.conf";
my $text = slurp($conf);

my $f = fault_begin(account => 'a', fault => 'status', ttl => '9s');
my $g = fault_begin(account => 'b', fault => 'timeout', ttl => '1h',
                    model => 'other');
reload();
is(way(ask()), 'a,b', 'it goes on');
my $seen = fault_seen($f->{id}, 1);
ok($seen->{active}, 'active');
is("$seen->{requests} $seen->{ends_ms}", "1 $f->{ends_ms}",
   'with its counts and its end');
kill_workers();
is(way(ask()), 'a,b', 'new workers know it');

(my $less = $text) =~ s/^upstream b .*?\}$//ms;
$less =~ s/ target b tier=2;//;
open my $fh, '>', $conf or die; print $fh $less; close $fh;
reload();
$seen = fault_seen($g->{id});
is("$seen->{active} $seen->{ended_by}", '0 reload', 'its account is gone');
ok(log_has(qr/fault \Q$g->{id}\E has ended: its account is not configured/),
   'the log says so');
ok(fault_seen($f->{id})->{active}, 'the other one goes on');

open $fh, '>', $conf or die; print $fh $text; close $fh;
reload();
is(fault_seen($g->{id})->{ended_by}, 'reload', 'it does not come back');

ok(wait_for(12, sub { !fault_seen($f->{id})->{active} }),
   'ends by its time');
ok(wait_for(5, sub { log_has(qr/fault \Q$f->{id}\E has ended: its time/) }),
   'and is told');
is(way(ask()), 'a', 'served again');
--- log_ok chomp
exited on signal 9



=== TEST 8: a zone of another size
--- check
my $conf = "$ENV{TEST_NGINX_SERVROOT}/conf/nginx.conf";
my $text = slurp($conf);
my $f = fault_begin(account => 'a', fault => 'status', ttl => '7s');
is(way(ask()), 'a,b', 'before');

$text =~ s/^ai_usage off;/ai_usage off; ai_zone ai 24m;/m;
open my $fh, '>', $conf or die; print $fh $text; close $fh;
reload(gone => 1);
ok(log_has(qr/another size/), 'it has another size');
is(way(ask()), 'a,b', 'the fault moved');
my $seen = fault_seen($f->{id}, 2);
is("$seen->{requests} $seen->{hit}", '2 2', 'with its counts');
ok(wait_for(9, sub { !fault_seen($f->{id})->{active} }), 'and ends');
is(way(ask()), 'a', 'served again');
