# Copyright (C) nginx-ai-route contributors

# The history: steps of ten seconds for charts, whatever worker served.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIMetrics;
use AIWorkers;

use HTTP::Tiny ();
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

my $tmp = tmp_dir();

my $http = <<'END';
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;
ai_zone ai %ZONE%;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_price m input=1 output=2; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1;
    ai_price m input=1 output=2; }
ai_route m { target a; target b tier=2; }
END

check_blocks(http => sub {
                 (my $conf = $http) =~ s/%ZONE%/$_[0]->zone || '2m'/e;
                 return $conf;
             }, reset => [qw(a b)],
             before => sub { truncate "$tmp/usage.jsonl", 0 },
             perl => sub { eval shift });

sub total {
    my ($field, @points) = @_;
    my $sum = 0;

    $sum += $_->{$field} for @points;
    return $sum;
}

sub settled {
    my ($n) = @_;
    my @p;

    wait_for(3, sub { total('requests', @p = history_points()) == $n });
    return @p;
}

sub recorded {
    return grep { $_->{kind} eq 'request' }
           map { JSON::PP::decode_json($_) }
           split /\n/, slurp_lines("$tmp/usage.jsonl");
}

sub edit {
    my ($from, $to) = @_;
    my $file = "$tmp/servroot/conf/nginx.conf";
    my $conf = slurp($file);

    $conf =~ s/$from/$to/ or die "no \"$from\" in nginx.conf\n";
    open my $fh, '>', $file or die "$file: $!\n";
    print $fh $conf;
    close $fh;
    reload(gone => 1);
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: what the document says
--- check
my $h = history();
my ($section) = slurp('docs/status.md') =~ /^## History\n(.*?)^## /ms;
$section =~ s/.*Fields, in this\s+order//s;
my @documented = $section =~ /`(\w+)`/g;
splice @documented, scalar @{ $h->{fields} };
is_deeply($h->{fields}, \@documented, 'the fields, in this order');
is($h->{step_ms}, 10000, 'ten seconds');
is_deeply($h->{points}, [], 'nothing yet: no points');

my $url = 'http://127.0.0.1:' . server_port() . '/ai/history';
is(HTTP::Tiny->new->post($url)->{status}, 405, 'a wrong method');
is(HTTP::Tiny->new->get($url)->{headers}{'cache-control'}, 'no-store',
   'not cached');



=== TEST 2: the same as in the records
--- check
ask_all(([]) x 20, ([stream => 1]) x 10);
ask(model => 'unknown');
provider_fault('a', '500');
is(way(ask()), 'a,b', 'saved');
provider_fault('b', '500');
is(ask()->{status}, 502, 'lost');
provider_fault('b', '');
# without a gap the cut may be seen before anything has passed
provider_fault('a', 'cut=3 words=8 gap=100');
ask(stream => 1);

my @p = settled(34);
my @r = recorded();
is(total('requests', @p), scalar @r, 'requests');
for my $outcome (qw(ok error cut stalled client_gone rejected)) {
    is(total($outcome, @p), scalar(grep { $_->{outcome} eq $outcome } @r),
       $outcome);
}
is(total('fallbacks', @p), scalar(grep { $_->{fallback} ne 'none' } @r),
   'fallbacks');
is(total('saved', @p), 1, 'saved');
my @ok = grep { $_->{outcome} eq 'ok' } @r;
for (qw(input_tokens output_tokens cost_nanousd)) {
    my $want = 0;
    my $field = $_;
    $want += $_->{$field} || 0 for @r;
    is(total($field, @p), $want, $field);
}
my $sum = 0;
$sum += $_->{latency_ms} for @ok;
is(total('latency_sum_ms', @p), $sum, 'latency');
my ($most) = sort { $b <=> $a } map { $_->{latency_ms} } @ok;
my ($seen) = sort { $b <=> $a } map { $_->{latency_max_ms} } @p;
is($seen, $most, 'the longest');
my @first = grep { $_->{stream} && defined $_->{ttft_ms} } @r;
is(total('first_token_count', @p), scalar @first, 'streams that began');
$sum = 0;
$sum += $_->{ttft_ms} for @first;
is(total('first_token_sum_ms', @p), $sum, 'their first tokens');

for (@p) {
    is($_->{at_ms} % 10000, 0, 'a step begins at its number');
    cmp_ok($_->{at_ms} / 1000, '>', time() - 60, 'lately');
    cmp_ok($_->{at_ms} / 1000, '<=', time(), 'not later');
    next unless defined $_->{latency_p50_ms};
    cmp_ok($_->{latency_p50_ms}, '<=', $_->{latency_p99_ms}, 'percentiles');
    cmp_ok($_->{latency_p99_ms}, '<=', $_->{latency_max_ms}, 'not above all');
}



=== TEST 3: steps follow each other, an empty one is left out, a reload
--- timeout: 60
--- check
ask() for 1 .. 3;
my @p = settled(3);
my $first = $p[-1]{at_ms};
reload();
is(total('requests', history_points()), 3, 'a reload');

my $wait = $first / 1000 + 20 - time();
sleep $wait if $wait > 0;
ask() for 1 .. 2;
@p = settled(5);
is($p[-1]{at_ms}, $first + 20000, 'one is left out');
is($p[-1]{requests}, 2, 'the newest one last');

edit('ai_zone ai 2m', 'ai_zone ai 300k');
is_deeply([history_points()], \@p, 'into a smaller zone');
edit('ai_zone ai 300k', 'ai_zone ai 3m');
is_deeply([history_points()], \@p, 'into a larger one');
