# Copyright (C) nginx-ai-route contributors

# Recent requests: the trail of each, how it is found again, and that what
# clients put into it is never more than text.

use lib 't/lib';
use AIRoute providers => [qw(a b c)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use Digest::SHA qw(sha256_hex);
use HTTP::Tiny ();
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

my $tmp = tmp_dir();
my %secret = (k => 's3cr3t', h => 'h0stile');
my %hash = map { $_ => sha256_hex($secret{$_}) } keys %secret;
my $k = "Authorization: Bearer $secret{k}\r\n";
my $h = "Authorization: Bearer $secret{h}\r\n";

# a and b are accounts of one provider; e knows no completions
my $http = <<"END";
ai_usage file:$tmp/usage.jsonl;
ai_key k hash=sha256:$hash{k} app=shop team=search env=prod knobs;
ai_key h hash=sha256:$hash{h} "app=<script>alert(1)</script>"
       "team=\\"quoted\\" \\\\ & 'so'";
ai_price * input=1 output=10;
ai_breaker failures=3 rate=100 open=20s max_open=20s ramp=off;
ai_class default { expose trail; max_wait off; retry_same off; attempts 4; }
ai_class one  { expose trail; accounts a b c; max_wait off; retry_same off; }
ai_class same { expose trail; max_wait off; retry_same first; }
END

my $accounts = <<'END';
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=openai base=http://a/v1 owner=ops; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=openai base=http://b/v1; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C; keepalive 8;
    ai_account provider=vllm base=http://c/v1; }
upstream e { server 127.0.0.1:$TEST_NGINX_PROVIDER_C;
    ai_account provider=cohere base=http://c/v1; }
upstream f { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=openai base=http://b/v1; }
upstream plain { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; }
ai_route m   { target a; target b tier=2; target c tier=3 model=mc; }
ai_route w+* { target a model=m; }
ai_route two { target a; backup small tiny; }
ai_route small { target b; }
ai_route tiny  { target c; }
ai_route odd { target e; target f tier=2; target a tier=3; target b tier=4; }
END

check_blocks(http => sub { ($_[0]->zone || '') . $http },
             accounts => $accounts,
             config => 'location /m/ { proxy_pass http://plain/; '
                       . 'ai_meter on; }',
             reset => [qw(a b c)],
             before => sub { truncate "$tmp/usage.jsonl", 0 },
             perl => sub { eval shift });

sub get {
    my ($path, $method) = @_;
    my $port = Test::Nginx::Util::server_port();

    return HTTP::Tiny->new->request($method || 'GET',
                                    "http://127.0.0.1:$port/ai/$path");
}

# what is answered, which must be JSON whatever is in it
sub json {
    my $answer = get(@_);
    my $json = eval { JSON::PP->new->utf8->decode($answer->{content}) };

    ok(defined $json, "$_[0]: JSON") or diag($answer->{content});
    return $json || {};
}

# the log phase comes after the client has its answer
sub held {
    my ($n) = @_;

    wait_for(5, sub {
        my $all = eval {
            JSON::PP::decode_json(get('requests?limit=1000')->{content});
        };
        return $all && @{ $all->{requests} } >= $n;
    });
}

# the trail of an answered request
sub trail_of {
    my ($r) = @_;
    my $answer;

    wait_for(5, sub {
        $answer = get("requests/$r->{id}");
        return $answer->{status} == 200;
    });
    my $all = JSON::PP->new->utf8->decode($answer->{content})->{requests};
    is(scalar @$all, 1, "$r->{id}: one");
    return $all->[0];
}

sub asked { return ask(head => $k, @_) }

# how those that a query finds ended, the newest first
sub found {
    return join ' ', map { $_->{request_id} }
                         @{ json("requests?$_[0]")->{requests} };
}

sub tries {
    my ($t) = @_;

    return join ', ', map { join ' ', map { defined $_ ? $_ : '-' }
                                      @{$_}{qw(account model status verdict
                                               why)} } @{ $t->{tries} };
}

sub excluded {
    my ($t) = @_;

    return join ', ', map { join ' ', map { defined $_ ? $_ : '-' }
                                      @{$_}{qw(account model reason cause)} }
                          @{ $t->{excluded} };
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: the trail of a failover, and of who comes next
--- check
provider_fault('a', 'status=429,retry_after=30');
my $r = asked();
is("$r->{status} " . way($r), '200 a,b', 'served by the second one');
my $t = trail_of($r);
is(tries($t), 'a m 429 rate_limit first, b m 200 ok account', 'tries');
is(excluded($t), '', 'nobody was left out');
is("$t->{fallback} $t->{outcome} $t->{account}", 'account ok b', 'record');
is_deeply([map { ref \$_ } @{$t}{qw(stream drill)}],
          [map { ref \$_ } @{$t->{tries}[0]}{qw(fault fault)}], 'booleans');
my ($one, $two) = @{ $t->{tries} };
is("$one->{provider} $two->{provider}", 'openai openai', 'providers');
is($one->{input_tokens}, undef, 'no tokens of an error');
cmp_ok($two->{input_tokens}, '>', 0, 'tokens of an answer');
is($two->{cost_nanousd}, $t->{cost_nanousd}, 'cost');
is($two->{output_tokens}, $t->{output_tokens}, 'output');
between($one->{start_ms}, 0, 1000, 'the first begins at once');
cmp_ok($two->{start_ms}, '>=', $one->{start_ms} + $one->{elapsed_ms},
       'the second after it');
between($two->{elapsed_ms}, 0, $t->{latency_ms} - $two->{start_ms},
        'and ends with the request');
like($t->{event_id}, qr/^[0-9a-f]{32}$/, 'event_id');
between(abs($t->{ts_ms} / 1000 - $r->{start}), 0, 2, 'when');

$t = trail_of(asked());
is(tries($t), 'b m 200 ok first', 'the next one goes there at once');
is(excluded($t), 'a m cooling rate_limit', 'and says why');
between($t->{excluded}[0]{back_ms} / 1000 - time(), 20, 31, 'until when');

provider_fault('b', '503');
operator_reset('a');
provider_fault('a', '500');
$t = trail_of(asked());
is(tries($t), 'a m 500 server_error first, b m 503 overloaded account, '
              . 'c mc 200 ok provider', 'another provider');
is($t->{fallback}, 'provider', 'fallback');

operator_reset('a');
provider_fault('a', 'reset');
$t = trail_of(asked(class => 'same', model => 'w+x'));
is(tries($t), 'a m - reset first, a m - reset same', 'the same once more');



=== TEST 2: fields are those of the record
--- check
provider_fault('a', '503');
my @r = (asked(), asked(stream => 1), asked(model => 'nobody'),
         ask(), asked(model => 'two'));
held(5);
my %by;
wait_for(5, sub {
    %by = map { $_->{request_id} => $_ } grep { $_->{kind} eq 'request' }
          map { JSON::PP->new->utf8->decode($_) } split /\n/,
          slurp_lines("$tmp/usage.jsonl");
    return keys %by == 5;
});
for my $t (@{ json('requests')->{requests} }) {
    my %want = %{ $by{ $t->{request_id} } };
    delete $want{v};
    $want{event_id} =~ s{/0$}{};
    $_ = $_ ? JSON::PP::true : JSON::PP::false for @want{qw(stream drill)};
    ok(delete $t->{tries} && delete $t->{excluded}, 'lists');
    is_deeply($t, \%want, "$want{outcome}: nothing more, nothing less");
}



=== TEST 3: backups
--- check
provider_fault('a', '503');
my $t = trail_of(asked(model => 'two'));
is(tries($t), 'a two 503 overloaded first, b small 200 ok backup', 'tries');
is("$t->{fallback} $t->{model_requested} $t->{model_served}",
   'backup two small', 'record');

operate('b', 'drain');
$t = trail_of(asked(model => 'two'));
is(tries($t), 'a two 503 overloaded first, c tiny 200 ok backup',
   'the second backup');
is(excluded($t), 'b small stopped -', 'and why not the first');
is($t->{excluded}[0]{back_ms}, undef, 'nobody knows for how long');

# one that failed, and another one that was left
operate('b', 'enable');
provider_fault('b', '503');
operate('c', 'disable');
$t = trail_of(asked(model => 'two'));
is(tries($t), 'a two 503 overloaded first, b small 503 overloaded backup',
   'tries');
is(excluded($t), 'c tiny stopped -', 'left out');
is($t->{outcome}, 'error', 'outcome');
operate('c', 'enable');



=== TEST 4: why not the others
--- check
# f is not of the class
my @odd = (path => '/v1/completions', model => 'odd');
my $t = trail_of(asked(@odd, class => 'one',
                       body => '{"model":"odd","prompt":"x"}'));
is(tries($t), 'a odd 200 ok first', 'tries');
is(excluded($t), 'e odd endpoint -, f odd class -', 'endpoint, class');

$t = trail_of(asked(@odd, body => '{"model":"odd","prompt":"x",'
                                  . '"provider":{"ignore":["f"]}}'));
is(excluded($t), 'e odd endpoint -, f odd request -', 'request');

# a breaker that opens, and the probe of another request
provider_fault('a', '500');
asked(model => 'w+x') for 1 .. 3;
$t = trail_of(asked());
is(tries($t), 'b m 200 ok first', 'tripped');
is(excluded($t), 'a m tripped server_error', 'says so');
between($t->{excluded}[0]{back_ms} / 1000 - time(), 10, 21, 'until when');
$t = trail_of(asked(model => 'w+x'));
is(tries($t), 'a m 500 server_error probe', 'nobody else is left: a probe');

provider_fault('a', '401');
operator_reset('a');
asked(model => 'w+x');
$t = trail_of(asked());
is(excluded($t), 'a m closed auth', 'a closure');

operate('a', 'disable');
$t = trail_of(asked(model => 'w+y'));
is("$t->{outcome} $t->{attempts} " . tries($t), 'error 0 ', 'nowhere to go');
is(excluded($t), 'a m stopped -', 'that is why');
operate('a', 'enable');

# refused before there was a plan
$t = trail_of(asked(model => 'nobody'));
is(tries($t) . excluded($t), '', 'no route, no candidates');
is($t->{outcome}, 'rejected', 'rejected');

# before there was a candidate
$t = trail_of(asked(@odd, body => '{"model":"odd","prompt":"x",'
                                  . '"provider":{"only":["nobody"]}}'));
is("$t->{outcome} " . excluded($t),
   'rejected e odd endpoint -, f odd request -, a odd request -, '
   . 'b odd request -', 'none is left');



=== TEST 5: filters
--- check
provider_fault('a', 'status=429,retry_after=1');
my %id;
my $n = 0;
for (['fell', $k], ['ok', $k], ['no', $k, model => 'nobody'], ['h', $h],
     ['open', ''], ['two', $k, model => 'two'])
{
    my ($name, $head, @more) = @$_;

    provider_fault('a', '503') if $name eq 'two';
    $id{$name} = ask(head => $head, @more)->{id};
    # each has a worker of its own
    held(++$n);
    operator_reset('a');
    provider_fault('a', '');
}

is(found(''), "@id{qw(two open h no ok fell)}", 'all, the newest first');
is(found('key=k'), "@id{qw(two no ok fell)}", 'key');
is(found('key=k&key='), "@id{qw(two no ok fell)}", 'the first counts');
is(found('key='), "@id{qw(two open h no ok fell)}", 'an empty one does not');
is(found('key=nobody'), '', 'an unknown key');
is(found('team=search'), "@id{qw(two no ok fell)}", 'team');
is(found('team=%22quoted%22%20%5c%20%26%20%27so%27'), $id{h},
   'a team that is decoded');
is(found('model=two'), $id{two}, 'model, asked for');
is(found('model=small'), $id{two}, 'model, served');
is(found('model=smal'), '', 'but not a part of it');
is(found('account=a'), "@id{qw(two h ok fell)}", 'account, of any try');
is(found('account=b'), "@id{qw(two fell)}", 'account, of the last');
is(found('account=c'), '', 'an account that was not tried');
is(found('outcome=ok'), "@id{qw(two h ok fell)}", 'outcome');
is(found('outcome=rejected'), "@id{qw(open no)}", 'outcome');
is(found('fallback=none'), "@id{qw(open h no ok)}", 'fallback');
is(found('fallback=backup'), $id{two}, 'fallback');
is(found('fallback=any'), "@id{qw(two fell)}", 'any fallback');
is(found('fallback=any&account=a&model=m&key=k&team=search&outcome=ok'),
   $id{fell}, 'all at once');
is(found('limit=2'), "@id{qw(two open)}", 'limit');
is(found('limit=1&outcome=rejected'), $id{open}, 'of those that are found');
is(found('nonsense=1'), "@id{qw(two open h no ok fell)}", 'other arguments');

my $all = json('requests?limit=1');
is($all->{held}, 6, 'held');
between(abs($all->{now_ms} / 1000 - time()), 0, 2, 'now');
is($all->{oldest_ms}, json('requests')->{requests}[-1]{ts_ms}, 'the oldest');

for (['outcome=good', 'outcome'], ['fallback=maybe', 'fallback'],
     ['outcome=ok,%20error', 'outcome'], ['outcome=o', 'outcome'],
     ['since=yesterday', 'since'], ['since=-5', 'since'],
     ['since=99999999999999999999', 'since'],
     ['limit=0', 'limit'], ['limit=1001', 'limit'], ['limit=many', 'limit'],
     ['limit=-1', 'limit'])
{
    my ($query, $name) = @$_;
    my $answer = get("requests?$query");

    is($answer->{status}, 400, "$query: refused");
    like(JSON::PP::decode_json($answer->{content})->{error}{message},
         qr/"$name" must be/, "$query: named");
}



=== TEST 6: since
--- check
my $old = asked()->{id};
held(1);
sleep 1.2;
my $new = asked()->{id};
held(2);
my ($n, $o) = @{ json('requests')->{requests} };
is(found("since=$n->{ts_ms}"), $new, 'Unix time');
is(found('since=' . ($n->{ts_ms} + 1)), '', 'just after it');
is(found("since=$o->{ts_ms}"), "$new $old", 'of the older one');
is(found('since=1000ms'), $new, 'a time back');
is(found('since=10m'), "$new $old", 'minutes');
is(found('since=1h30m'), "$new $old", 'hours');



=== TEST 7: ids
--- check
my $port = Test::Nginx::Util::server_port();
my $post = sub {
    my ($id, $model) = @_;
    return HTTP::Tiny->new->post("http://127.0.0.1:$port/v1/chat/completions",
        { content => qq({"model":"$model","messages":[]}),
          headers => { Authorization => "Bearer $secret{k}",
                       'Content-Type' => 'application/json',
                       defined $id ? ('X-Request-ID' => $id) : () } });
};
$post->('twice', 'm');
# each has a worker of its own
held(1);
$post->('twice', 'two');
held(2);
my $own = $post->(undef, 'small')->{headers}{'x-request-id'};
held(3);
is(join(' ', map { $_->{model_requested} }
             @{ json('requests/twice')->{requests} }), 'two m',
   'an id that came twice: both, the newest first');
my ($mine) = @{ json("requests/$own")->{requests} };
is("$mine->{request_id} $mine->{event_id}", "$own $own", 'our own');

my ($two) = @{ json('requests/twice')->{requests} };
for my $id ($two->{event_id}, "$two->{event_id}/0", "$two->{event_id}/1",
            "$two->{event_id}%2F12")
{
    is(json("requests/$id")->{requests}[0]{model_requested}, 'two',
       "event $id");
}

for my $id ('twic', 'twice2', 'twice/0', '0' x 32, '0' x 33,
            "$two->{event_id}/x", "$two->{event_id}/", "$two->{event_id}0",
            substr($two->{event_id}, 1), '%22%3Cb%3E%ff', 'x' x 3000)
{
    my $answer = get("requests/$id");
    is($answer->{status}, 404, substr($id, 0, 40) . ': not there');
    is(JSON::PP::decode_json($answer->{content})->{error}{code},
       'request_not_found', 'code');
}
is(get('requests/')->{status}, 404, 'no id');



=== TEST 8: methods
--- check
asked();
held(1);
for my $path ('requests', 'requests/r1') {
    for my $method (qw(POST PUT DELETE PATCH OPTIONS)) {
        my $answer = get($path, $method);
        is("$answer->{status} $answer->{headers}{allow}", '405 GET, HEAD',
           "$method $path");
    }
}
my $head = get('requests', 'HEAD');
is("$head->{status} " . length($head->{content} || ''), '200 0', 'HEAD');
cmp_ok($head->{headers}{'content-length'}, '>', 100, 'with its length');
is($head->{headers}{'cache-control'}, 'no-store', 'not to be cached');
is(get('requests')->{headers}{'content-type'}, 'application/json', 'type');



=== TEST 9: hostile words
--- check
my @models = ('<img src=x onerror=alert(1)>', 'q\\"uo\\\\te', '\\u003c/script>',
              "\xff\xfe\xc3", "\xed\xa0\x80", 'x' x 256, ('y' x 253) . "\xc3\xa9",
              '\\u2028', "{{7*7}}\${jndi:ldap://x}");
for my $model (@models) {
    my $r = ask(head => $h, model => $model);
    my $answer;
    wait_for(5, sub { $answer = get("requests/$r->{id}");
                      return $answer->{status} == 200 });
    my $json = eval { JSON::PP->new->utf8->decode($answer->{content}) };
    ok($json, 'JSON') or diag($answer->{content});
    is($json->{requests}[0]{team}, q("quoted" \\ & 'so'), 'team');
    is($json->{requests}[0]{app}, '<script>alert(1)</script>', 'app');
    unlike($answer->{content}, qr/[\x00-\x1f]/, 'no control characters');
    unlike($answer->{content}, qr/$secret{h}|$hash{h}|messages/,
           'no key, no prompt');
}
my $r = ask(head => $h . "X-Request-ID: x\r\n", model => 'z' x 256);
is(length trail_of($r)->{model_requested}, 255, 'cut');
is(get('requests?model=' . 'z' x 256 . '&limit=1')->{content}
   =~ /zzz/ ? 1 : 0, 1, 'and found by the whole of it');
is($_->{status}, 200, 'a filter of any bytes')
    for map { get("requests?$_=%ff%22%3c%00%0a") } qw(key team model account);
like(get('requests?outcome=%3cb%3e%22')->{content}, qr/^\{"error"/,
     'an error is JSON');



=== TEST 10: the oldest go, in a small zone
--- zone
ai_zone ai 256k;
--- check
my @id;
for (1 .. 20) {
    push @id, map { $_->{id} } ask_all(([head => $k]) x 10);
}
# the order of what ends at once is nobody's
my $all;
ok(wait_for(5, sub {
    $all = JSON::PP::decode_json(get('requests?limit=1000')->{content});
    my %have = map { $_->{request_id} => 1 } @{ $all->{requests} };
    return 10 == grep { $have{$_} } @id[190 .. 199];
}), 'the last ones are there');
my $n = @{ $all->{requests} };
between($n, 20, 90, 'as many as fit');
is($all->{held}, $n, 'held');
is($all->{oldest_ms}, $all->{requests}[-1]{ts_ms}, 'the oldest');
is(get("requests/$id[0]")->{status}, 404, 'the first is gone');
my %place = map { $id[$_] => $_ } 0 .. $#id;
my @place = map { $place{ $_->{request_id} } } @{ $all->{requests} };
# it is that of their ends, and one may end after its client has all of it
cmp_ok($place[$_], '<', $place[$_ - 1] + 40, 'in their order')
    for 1 .. $#place;
# (two clocks, each cut to a millisecond, at both ends)
my @end = map { $_->{ts_ms} + $_->{latency_ms} } @{ $all->{requests} };
cmp_ok($end[$_], '<=', $end[$_ - 1] + 2, 'of their ends') for 1 .. $#end;
is(scalar(grep { $_->{outcome} eq 'ok' && @{ $_->{tries} } == 1 }
               @{ $all->{requests} }), $n, 'all of them whole');



=== TEST 11: two workers, a reload, and a zone of another size
--- check
my @id = sort map { $_->{id} } ask_all(([head => $k]) x 30);
held(30);
is(join(' ', sort map { $_->{request_id} }
             @{ json('requests')->{requests} }), "@id", 'of all workers');
reload();
is(join(' ', sort map { $_->{request_id} }
             @{ json('requests')->{requests} }), "@id", 'after a reload');

my $file = "$ENV{TEST_NGINX_SERVROOT}/conf/nginx.conf";
my $conf = slurp($file);
for my $size ('256k', '30m') {
    (my $new = $conf) =~ s/^ai_usage/ai_zone ai $size;\nai_usage/m;
    open my $fh, '>', $file or die $!;
    print $fh $new;
    close $fh;
    reload();
    my @now = map { $_->{request_id} } @{ json('requests')->{requests} };
    my %was = map { $_ => 1 } @id;
    between(scalar @now, 15, 30, "$size: the newest move along");
    is(scalar(grep { !$was{$_} } @now), 0, "$size: as they were");
}
my $r = asked();
is(tries(trail_of($r)), 'a m 200 ok first', 'and it goes on');



=== TEST 12: a worker that is killed
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', 'delay=8000');
my @q = map { open_request(head => $k) } 1 .. 4;
ok(wait_for(3, sub { requests('a') == 4 }), 'four run');
kill_workers();
held(4);
my @t = @{ json('requests?account=a')->{requests} };
is(join(' ', sort map { $_->{request_id} } @t),
   join(' ', sort map { $_->{id} } @q), 'all four are there');
for my $t (@t) {
    is("$t->{outcome} $t->{error_class} $t->{account} $t->{key_id}",
       'error worker_lost a k', 'as what they were');
    is(tries($t) . excluded($t), '', 'nobody knows more');
}



=== TEST 13: streams that break, clients that leave
--- check
provider_fault('a', 'words=30 gap=20 cut=10');
my $r = asked(stream => 1, model => 'w+x');
my $t = trail_of($r);
is("$t->{outcome} $t->{stream}", 'cut 1', 'cut');
is(scalar @{ $t->{tries} }, 1, 'one try');
cmp_ok($t->{tries}[0]{elapsed_ms}, '>', 50, 'and its time');

provider_fault('a', 'words=100 gap=100');
my $q = open_request(head => $k, stream => 1, model => 'w+x');
sleep 0.6;
close $q->{socket};
$t = trail_of($q);
is($t->{outcome}, 'client_gone', 'gone');
is(tries($t), 'a m 200 ok first', 'the account did well');
is(found('outcome=client_gone'), $q->{id}, 'found');



=== TEST 14: a metered location
--- check
my $r = ask(path => '/m/v1/chat/completions', head => '');
my $t = trail_of($r);
is("$t->{outcome} $t->{status} $t->{account} $t->{fallback}",
   'ok 200 plain none', 'record');
cmp_ok($t->{input_tokens}, '>', 0, 'tokens');
is_deeply([$t->{tries}, $t->{excluded}], [[], []], 'nobody chose');
is(found('account=plain'), $r->{id}, 'found');
