# Copyright (C) nginx-ai-route contributors

# Metrics: that promtool likes them, that they say the same as the records,
# whatever names clients invent, for all workers and over a reload.

use lib 't/lib';
use AIRoute providers => [qw(a b)], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIMetrics;
use AIStatus;
use AIWorkers;

use Cwd ();
use Digest::SHA qw(sha256_hex);
use HTTP::Tiny ();
use JSON::PP ();
use Time::HiRes qw(sleep);

workers(2);

my $tmp = tmp_dir();
my $root = Cwd::realpath('.');

sub hash { return 'sha256:' . sha256_hex("s3cr3t-$_[0]") }

# names that a careless writer would let out of their quotes
my $team = "te\"am\\\n<b>\x{e9}";

spew("$tmp/keys.json", JSON::PP->new->utf8->encode({ keys => [
    { id => 'one', hash => hash('one'), team => $team =~ s/\n//r },
    { id => 'two', hash => hash('two') },
    map +{ id => "k$_", hash => hash("k$_") }, 1 .. 150
] }));

my $http = <<'END';
ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 stream=ai:usage
         pins=on;
ai_zone ai %ZONE%;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_class slow { max_wait off; retry_same off; }
ai_breaker failures=3 rate=100 open=20s max_open=20s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit budget=1usd/day,100usd/month;
    ai_price m input=1 output=2; ai_price dear input=9 output=9; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=xai base=http://b/v1;
    ai_price * input=3 output=5; }
ai_route m dear { target a; target b tier=2; }
ai_route two { target b model=two-up; backup m; }
ai_route x* { target b; }
%KEYS%
END

check_blocks(http => sub {
                 my $conf = $http;
                 my $zone = defined $_[0]->zone ? $_[0]->zone : '2m';
                 my $keys = defined $_[0]->keys
                            ? 'ai_keys $TEST_NGINX_TMP/keys.json;' : '';
                 $conf =~ s/%ZONE%/$zone/;
                 $conf =~ s/%KEYS%/$keys/;
                 return $conf;
             }, reset => [qw(a b)],
             config => 'location /m/ { proxy_pass http://127.0.0.1:$arg_port/;
                                       ai_meter on; }',
             before => sub { redis_cli('FLUSHALL') },
             perl => sub { eval shift });

# sums of the stream's records: "request", and those of attempts, where a
# request without any is its own
sub recorded {
    my ($n) = @_;
    my @e = usage_entries('ai:usage', $n);
    my %several = map { $_->{request_id} => 1 }
                      grep { $_->{kind} eq 'attempt' } @e;
    my @requests = grep { $_->{kind} eq 'request' } @e;
    my @attempts = grep { $_->{kind} eq 'attempt'
                          || ($_->{account} && !$several{ $_->{request_id} })
                        } @e;
    return (\@requests, \@attempts);
}

sub sum {
    my ($field, @e) = @_;
    my $sum = 0;

    $sum += $_->{$field} || 0 for @e;
    return $sum;
}

# nanodollars, as a dollar's decimals are printed
sub usd { return sprintf '%.9f', $_[0] / 1e9 }

# a metric is recorded after the client has its answer
sub settled {
    my ($n) = @_;

    wait_for(3, sub {
        return (value(metrics(), 'ai_route_requests_total') || 0) == $n;
    });
    return metrics();
}

# every value of the metrics for which the records have one
sub agree {
    my ($m, $requests, $attempts) = @_;
    my (%n, @wrong);

    for (@$requests) {
        my $r = defined $_->{route} ? $_->{route} : '';
        $n{"requests|$r|$_->{class}|$_->{outcome}"}++;
        $n{"fallbacks|$r|$_->{class}|$_->{fallback}"}++;
        $n{"saved|$r|$_->{class}"}++
            if $_->{fallback} ne 'none' && $_->{outcome} eq 'ok';
    }
    for (@$attempts) {
        my $t = "$_->{account}|$_->{model_served}";
        my $verdict = $_->{error_class} || 'ok';
        $n{"attempts|$t|$verdict"}++;
        $n{"ok|$t"}++ if $_->{outcome} eq 'ok';
        $n{"first|$t"}++ if $_->{stream} && defined $_->{ttft_ms};
        $n{"$_|$t"} += 0 for qw(input output cost);
        $n{"input|$t"} += $_->{input_tokens} || 0;
        $n{"output|$t"} += $_->{output_tokens} || 0;
        $n{"cost|$t"} += $_->{cost_nanousd} || 0;
    }

    my %got = (
        requests => sub { value($m, 'ai_route_requests_total', route => $_[0],
                                class => $_[1], outcome => $_[2]) },
        fallbacks => sub { $_[2] eq 'none' ? $n{"fallbacks|$_[0]|$_[1]|none"}
                           : value($m, 'ai_route_fallbacks_total',
                                   route => $_[0], class => $_[1],
                                   fallback => $_[2]) },
        saved => sub { value($m, 'ai_route_saved_total', route => $_[0],
                             class => $_[1]) },
        attempts => sub { value($m, 'ai_route_attempts_total',
                                account => $_[0], model => $_[1],
                                verdict => $_[2]) },
        input => sub { value($m, 'ai_route_tokens_total', account => $_[0],
                             model => $_[1], type => 'input') },
        output => sub { value($m, 'ai_route_tokens_total', account => $_[0],
                              model => $_[1], type => 'output') },
        cost => sub { 1e9 * value($m, 'ai_route_cost_usd_total',
                                  account => $_[0], model => $_[1]) },
        ok => sub { value($m, 'gen_ai_server_request_duration_seconds_count',
                          account => $_[0], gen_ai_request_model => $_[1]) },
        first => sub {
            value($m, 'gen_ai_server_time_to_first_token_seconds_count',
                  account => $_[0], gen_ai_request_model => $_[1]) },
    );

    for (sort keys %n) {
        my ($what, @of) = split /\|/, $_, -1;
        my $got = $got{$what}->(@of);
        push @wrong, "$_: $n{$_}, not " . (defined $got ? $got : 'none')
            if !defined $got || sprintf('%.0f', $got) ne $n{$_};
    }

    push @wrong, 'requests in all'
        if value($m, 'ai_route_requests_total') != @$requests;
    push @wrong, 'attempts in all'
        if value($m, 'ai_route_attempts_total') != @$attempts;
    return @wrong;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: before any request
--- check
my $m = metrics();
is($m->{status}, 200, 'status');
is($m->{headers}{'content-type'},
   'text/plain; version=0.0.4; charset=utf-8', 'type');
is($m->{headers}{'cache-control'}, 'no-store', 'not cached');
is(promtool($m->{text}), '', 'promtool');
is(join("\n", broken_histograms($m)), '', 'histograms');
is(value($m, 'ai_route_build_info'), 1, 'version');
is(value($m, 'ai_route_inflight'), 0, 'in flight');
is(value($m, 'ai_route_account_state', account => 'a', state => 'open'), 1,
   'state');
is(value($m, 'ai_route_account_state', account => 'a'), 1, 'one state');
is(value($m, 'ai_route_account_budget_used_ratio', account => 'a'), 0,
   'budgets');
is(value($m, 'ai_route_requests_total'), undef, 'no request');
is(value($m, 'ai_route_overhead_seconds_count'), 0, 'an empty histogram');

my $port = server_port();
is(HTTP::Tiny->new->post("http://127.0.0.1:$port/ai/metrics")->{status}, 405,
   'a wrong method');
my $head = HTTP::Tiny->new->head("http://127.0.0.1:$port/ai/metrics");
is($head->{status} . ($head->{content} || ''), '200', 'HEAD');



=== TEST 2: the same as in the records
--- check
is(way(ask()), 'a', 'an answer') for 1 .. 5;
ask(stream => 1, head => "X-Sim: gap=20\r\n") for 1 .. 4;
ask(class => 'slow', model => 'dear') for 1 .. 3;
ask(model => 'unknown');
ask(body => '{');
provider_fault('a', '500');
is(way(ask(stream => $_ % 2)), 'a,b', 'another account') for 1 .. 2;
provider_fault('a', '');
provider_fault('b', '429');
is(way(ask(model => 'two')), 'b,a', 'a backup');
is(way(ask(model => 'two')), 'a', 'and at once: b cools down');
provider_fault('b', '');
operator_reset(qw(a b));
ask(model => 'x-new');
# without a gap the cut may be seen before anything has passed
provider_fault('b', 'cut=3 words=8 gap=100');
ask(model => 'x-new', stream => 1);
provider_fault('b', '');
ask_all(([]) x 30);

my $n = 5 + 4 + 3 + 2 + 2 + 2 + 2 + 30;
my $m = settled($n);
my ($requests, $attempts) = recorded($n + 6);
is(scalar @$requests, $n, 'all are recorded');
is(scalar @$attempts, $n + 3 - 2, 'and their attempts');
is(join("\n", agree($m, $requests, $attempts)), '', 'they agree');
is(promtool($m->{text}), '', 'promtool');
is(join("\n", broken_histograms($m)), '', 'histograms');

my $cost = 0;
$cost += $_->{value} for samples($m, 'ai_route_cost_usd_total');
is(sprintf('%.9f', $cost), usd(sum('cost_nanousd', @$attempts)), 'cost');
cmp_ok($cost, '>', 0, 'there is some');
is(sprintf('%.9f', value($m, 'ai_route_team_cost_usd_total', team => '')),
   usd(sum('cost_nanousd', @$attempts)), 'of the team without a name');
is(value($m, 'ai_route_overhead_seconds_count'), $n - 2,
   'overhead of what was tried');
cmp_ok(value($m, 'ai_route_overhead_seconds_sum'), '>', 0, 'it is not none');
is(value($m, 'gen_ai_client_token_usage_sum', gen_ai_token_type => 'output'),
   sum('output_tokens', @$attempts), 'usage');
is(value($m, 'ai_route_tokens_total', account => 'b',
         provider => 'xai', type => 'output')
   - value($m, 'gen_ai_client_token_usage_sum', account => 'b',
           gen_ai_provider_name => 'x_ai', gen_ai_token_type => 'output'), 0,
   "providers have OpenTelemetry's names");
cmp_ok(value($m, 'gen_ai_server_time_per_output_token_seconds_count'), '>', 0,
       'time per token');

my $used = value($m, 'ai_route_account_budget_used_ratio', account => 'a',
                 per => 'day');
my $spent = sum('cost_nanousd', grep { $_->{account} eq 'a' } @$attempts);
is(sprintf('%.6f', $used), sprintf('%.6f', int($spent / 1000) / 1e6),
   'budget');
is(value($m, 'ai_route_sink_accepted_total'), $n + 6 + 2,
   "records, and those of the operator's two resets");
is(value($m, 'ai_route_sink_dropped_total'), 0, 'none is lost');



=== TEST 3: breakers and states
--- check
provider_fault('a', '500');
ask() for 1 .. 3;
my $m = settled(3);
is(value($m, 'ai_route_breakers', account => 'a', model => 'm',
         state => 'open'), 1, 'open');
is(value($m, 'ai_route_breakers', account => 'a', model => 'm',
         state => 'closed'), 0, 'not closed');
is(value($m, 'ai_route_breakers', account => 'b', model => 'm',
         state => 'closed'), 1, 'another one');
operate('a', 'disable');
$m = metrics();
is(value($m, 'ai_route_account_state', account => 'a', state => 'stopped'), 1,
   'stopped');
is(value($m, 'ai_route_account_state', account => 'a', state => 'open'), 0,
   'not open');
operate('a', 'enable');
provider_fault('b', 'words=8 gap=100');
my $q = open_request(stream => 1, model => 'x');
ok(wait_for(2, sub { value(metrics(), 'ai_route_account_inflight',
                           account => 'b') == 1 }), 'in flight');
answer($q);



=== TEST 4: hostile names
--- keys
--- check
my @as = map { (head => "Authorization: Bearer s3cr3t-$_\r\n") } 'one';
my @names = ('x"} 1\\nai_route_mine 1', 'x\\\\', "x-\xff\xfe", "x-\xc3",
             'x<script>', "x-\xc3\xa9", 'x{a=\\"b\\"}');

for (@names) {
    ask(@as, body => qq({"model":"$_","messages":[]}));
}
ask(head => "Authorization: Bearer nobody\r\n");
my $m = settled(@names + 1);
is(promtool($m->{text}), '', 'promtool');
unlike($m->{text}, qr/^ai_route_mine/m, 'no line of theirs');
ok(utf8::decode(my $text = $m->{text}), 'UTF-8');
my %seen = map { $_->{labels}{model} => 1 }
               samples($m, 'ai_route_tokens_total', account => 'b');
ok($seen{'x\\'}, 'a backslash');
ok($seen{"x-\xc3\xa9"}, 'a name that is UTF-8');
is((grep { /\xef\xbf\xbd/ } keys %seen), 0, 'no two that look the same');
my $served = value($m, 'ai_route_requests_total', outcome => 'ok');
is(value($m, 'ai_route_attempts_total'), $served, 'nothing is missing');
my ($t) = grep { $_->{labels}{team} ne '' }
               samples($m, 'ai_route_team_requests_total', outcome => 'ok');
is($t->{labels}{team}, "te\"am\\<b>\xc3\xa9", 'the team');
is($t->{value}, $served, 'its requests');
unlike($m->{text}, qr/s3cr3t|nobody|"one"/, 'no keys');



=== TEST 5: two workers, a reload, another size, killed workers
--- log_ok chomp
exited on signal 9
--- check
ask_all(([]) x 40);
my $n = 40;
my $m = settled($n);
is(value($m, 'ai_route_requests_total'), $n, 'of both workers');
my %before = map { $_->{name} . join(',', %{ $_->{labels} }) => $_->{value} }
                 samples($m, 'ai_route_requests_total'),
                 samples($m, 'ai_route_tokens_total'),
                 samples($m, 'gen_ai_server_request_duration_seconds_bucket');
my $cost = value($m, 'ai_route_cost_usd_total');

reload();
$m = metrics();
is(value($m, 'ai_route_requests_total'), $n, 'a reload');
my $started = status()->{started_ms};
my $uptime = value($m, 'ai_route_uptime_seconds');

for my $size ('4m', '300k') {
    my $file = "$tmp/servroot/conf/nginx.conf";
    my $conf = slurp($file);
    $conf =~ s/ai_zone ai \w+/ai_zone ai $size/;
    open my $fh, '>', $file or die "$file: $!\n";
    print $fh $conf;
    close $fh;
    reload(gone => 1);
    $m = metrics();
    my %after;
    $after{ $_->{name} . join(',', %{ $_->{labels} }) } = $_->{value}
        for samples($m, 'ai_route_requests_total'),
            samples($m, 'ai_route_tokens_total'),
            samples($m, 'gen_ai_server_request_duration_seconds_bucket');
    my @keys = sort { $a cmp $b } values %after;
    is_deeply([@keys], [sort { $a cmp $b } values %before],
              "$size: the same");
    is(value($m, 'ai_route_cost_usd_total'), $cost, "$size: cost");
    is(value($m, 'ai_route_overhead_seconds_count'), $n, "$size: overhead");
    is(status()->{started_ms}, $started, "$size: since when");
    cmp_ok(value($m, 'ai_route_uptime_seconds'), '>', $uptime,
           "$size: since then");
}

# those that are lost with their worker count as errors
provider_reset('a');
provider_fault('a', 'words=8 gap=500');
my @q = map { open_request(stream => 1) } 1 .. 4;
ok(wait_for(2, sub { requests('a') == 4 }), 'four streams run');
kill_workers();
ok(wait_for(5, sub { value(metrics(), 'ai_route_requests_total')
                     == $n + 4 }), 'counted, once');
$m = metrics();
is(value($m, 'ai_route_requests_total', outcome => 'error'), 4, 'as errors');



=== TEST 6: as many keys and names as anybody likes
--- keys
--- zone chomp
256k
--- check
# models that do not exist must not take the place of any
provider_fault('b', '404');
ask_all(map { [model => "x-no-$_",
               head => "Authorization: Bearer s3cr3t-k$_\r\n"] } 1 .. 150);
provider_fault('b', '');
operator_reset('b');
ask_all(map { [model => "x-yes-$_",
               head => "Authorization: Bearer s3cr3t-k1\r\n"] } 1 .. 150);
ask(head => "Authorization: Bearer s3cr3t-k1\r\n");
my $m = settled(301);
my @models = samples($m, 'ai_route_cost_usd_total');
is((grep { $_->{labels}{model} =~ /x-no/ } @models), 0, 'none of those');
cmp_ok(scalar @models, '>', 5, 'some of these');
cmp_ok(scalar @models, '<', 151, 'not all, in so small a zone');
is(value($m, 'ai_route_requests_total'), 301, 'every request');
is(value($m, 'ai_route_requests_total', outcome => 'ok'), 151, 'and how')
    or diag(map { "$_->{labels}{outcome} $_->{value}\n" }
                samples($m, 'ai_route_requests_total'),
            map { JSON::PP::encode_json($_) . "\n" }
            grep { $_->{outcome} ne 'ok' && $_->{model} !~ /^x-no/ }
                 usage_entries());
is(value($m, 'ai_route_attempts_total'), 301, 'every attempt');
is(value($m, 'ai_route_attempts_total', model => 'm', verdict => 'ok'), 1,
   'a model of the configuration') ;
is(value($m, 'ai_route_attempts_total', account => 'b', model => '',
         verdict => 'model_not_found'), 150,
   'who has failed, if not with what');
is(value($m, 'ai_route_team_requests_total', outcome => 'ok'), 151,
   'the team');
cmp_ok(value($m, 'ai_route_zone_used_bytes'), '<=',
       value($m, 'ai_route_zone_room_bytes'), 'the zone');
is(promtool($m->{text}), '', 'promtool');
# nor have those that do exist the place of all keys
my @keys = @{ status('section=keys')->{keys}{list} };
cmp_ok(scalar @keys, '>', 4, 'keys that are left');
is(join(' ', map { "$_->{id} $_->{totals}{ok}" } $keys[0]), 'k1 151',
   'the one used last has all that it used');



=== TEST 7: the documented metrics, and the documented alerts
--- check
ask(); ask(stream => 1);
my $m = settled(2);
my $doc = slurp("$root/docs/status.md");
my ($section) = $doc =~ /^## Metrics\n(.*?)^## /ms;

my %documented;
$documented{$1} = $2 while $section =~ /^\| `([a-z_]+)` \| (\w+) \|/mg;
is_deeply($m->{type}, \%documented, 'all of them, and no others');

my ($rules) = $section =~ /^```yaml\n(.*?)^```/ms;
is(promtool($rules, qw(check rules)), '', 'promtool check rules');
like(promtool("groups: [{name: x, rules: [{alert: y, expr: 'sum('}]}]",
              qw(check rules)), qr/parse error|could not parse/, 'it looks');
my %used = map { $_ => 1 } $rules =~ /\b((?:ai_route|gen_ai)_[a-z_]+)/g;
cmp_ok(scalar keys %used, '>', 4, 'alerts use metrics');
is(join(' ', grep { !$documented{ $_ =~ s/_(?:bucket|sum|count)$//r } }
                  sort keys %used), '', 'that exist');



=== TEST 8: hosts of metered locations that clients name
--- log_ok chomp
Connection refused
--- check
my $first = AIRoute::free_port(40);
my @ports = ($first .. $first + 39);
my $url = 'http://127.0.0.1:' . server_port() . '/m/chat/completions?port=';
my $used = sub { value(metrics(), 'ai_route_zone_used_bytes') };
my $ask = sub { HTTP::Tiny->new->post("$url$_[0]", {
                    content => '{"model":"m","messages":[]}' })->{status} };

is($ask->(shift @ports), 502, 'nobody there');
my $bytes = $used->();
is(join(' ', map { $ask->($_) } @ports), join(' ', (502) x @ports), 'nor here');
is($used->(), $bytes, 'they have no counters of their own');
my $m = metrics();
is(value($m, 'ai_route_attempts_total', account => ''), @ports + 1,
   'they are counted together');



=== TEST 9: the overhead is the gateway's own time, not that of its providers
--- check
ask();
my $before = value(settled(1), 'ai_route_overhead_seconds_sum');
provider_fault('a', '500 delay=2000');
provider_fault('b', 'delay=2000');
is(way(ask()), 'a,b', 'two slow tries');
my $m = settled(2);
is(value($m, 'ai_route_overhead_seconds_count'), 2, 'it is counted');
my $own = value($m, 'ai_route_overhead_seconds_sum') - $before;
cmp_ok($own, '>', 0, 'something');
cmp_ok($own, '<', 1, 'no try is in it');
