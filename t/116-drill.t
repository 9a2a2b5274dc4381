# Copyright (C) nginx-ai-route contributors

# A minute of constant load, half of it with an account that fails completely:
# 50 requests a second through two workers, streams and others in turn, which
# are cells of their own.  What account a is asked meanwhile is bounded by the
# breaker's parameters alone, not by the load; no client notices; and it is
# back at once, but slowly.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

use JSON::PP ();
use Time::HiRes qw(time);

workers(2);

# requests a second, and seconds: of all, until the outage, until its end
my ($rate, $seconds, $from, $to) = (50, 60, 10, 40);
# the breaker's
my ($failures, $open, $max_open, $ramp) = (5, 1, 4, 5);
# how late a busy machine may be
my $late = 0.2;

my $http = <<"END";
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_breaker failures=$failures rate=100 open=${open}s max_open=${max_open}s
           ramp=${ramp}s;
upstream a { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 16;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:\$TEST_NGINX_PROVIDER_B; keepalive 16;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
END

check_blocks(http => $http, reset => [qw(a b)], perl => sub { eval shift });

sub least { return $_[0] < $_[1] ? $_[0] : $_[1] }

# The least and the most probes of a cell in an outage of so many seconds.  The
# time doubles up to max_open, 10 % more or less, but not more than max_open;
# then the cell's next request is the probe.
sub probes {
    my $outage = shift;
    my @n;

    for my $most (0, 1) {
        my ($t, $wait, $n) = ($most ? 0 : 2 * $failures / $rate, $open, 0);

        while (1) {
            $t += $most ? 0.9 * $wait
                  : least(1.1 * $wait, $max_open) + 2 / $rate + $late / 2;
            last if $t > $outage;
            $n++;
            $wait = least(2 * $wait, $max_open);
        }
        push @n, $n;
    }
    return @n;
}

# a whole answer, as the provider ends it
sub is_whole {
    my $r = shift;

    return $r->{status} == 200 && $r->{complete} && $r->{body} !~ /"error"/
           && $r->{body} =~ /"finish_reason":"stop"/
           && ($r->{stream} ? $r->{body} =~ /data: \[DONE\]\n\n\z/
                            : eval { JSON::PP::decode_json($r->{body}) });
}

# One cell's half of the answers: what a was asked in the outage, which began
# and ended at these times.  The most that it may have been asked.
sub outage {
    my ($what, $start, $end, @r) = @_;
    my @out = grep { $_->{start} >= $start && $_->{start} < $end } @r;
    my @probe = grep { hits('a', $_) } @out;
    my @sample;

    # up to the first pause
    do { push @sample, shift @probe }
        while @probe && $probe[0]{start} - $sample[-1]{start} < $open / 2;

    # What had begun before ends well meanwhile, and with it a row of failures;
    # and some are under way when the last failure of a row is known.
    my ($old) = sort { $b <=> $a } map { $_->{start} + $_->{took} }
                grep { $_->{start} < $start } @r;
    my $between = grep { $_->{start} < $old } @sample;
    my $most = $failures + $between + 2;
    my @probes = probes($end - $start);

    diag(sprintf '%s: %d in the outage; a was asked %d times to open (%d while'
                 . ' older ones ended), then %d times, at %s s', $what,
                 scalar @out, scalar @sample, $between, scalar @probe,
                 join ' ', map { sprintf '%.2f', $_->{start} - $start }
                           @probe);

    between(scalar @sample, $failures, $most, "$what: opening sample");
    between(scalar @probe, @probes, "$what: probes");

    my ($wait, @early) = $open;
    for my $n (1 .. $#probe) {
        $wait = least(2 * $wait, $max_open);
        push @early, $n if $probe[$n]{start} - $probe[$n - 1]{start}
                           < 0.9 * $wait - $late;
    }
    is("@early", '', "$what: probes that came too early");
    is(scalar(grep { ($_->{h}{'x-ai-account'} || '') eq 'b' } @out),
       scalar @out, "$what: b served all");
    return $most + $probes[1];
}

# The other half: how it came back.
sub recovery {
    my ($what, $end, @r) = @_;
    my @after = grep { $_->{start} >= $end } @r;
    my ($first) = grep { hits('a', $_) } @after;
    my $back = $first->{start};
    my @share;

    cmp_ok($back - $end, '<=', $max_open + 2 / $rate + $late,
           "$what: asked again within max_open");
    is(way($first), 'a', "$what: with success");

    for my $s (1 .. $ramp) {
        my @part = grep { $_->{start} > $back + $s - 1
                          && $_->{start} <= $back + $s } @after;
        my $hits = hits('a', @part);

        push @share, "$hits/" . @part;
        # a tenth to the whole, evenly
        cmp_ok($hits, '<=', @part * (0.1 + 0.9 * $s / $ramp) + 4,
               "$what: no burst in second $s");
    }

    my @rest = grep { $_->{start} > $back + $ramp + $late } @after;
    is(scalar(grep { way($_) eq 'a' } @rest), scalar @rest,
       "$what: then all goes to a");

    diag(sprintf '%s: back after %.2f s; each second of the ramp %s, then %d/%d',
                 $what, $back - $end, "@share", hits('a', @rest),
                 scalar @rest);
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: 30 s of 503
--- timeout: 90
--- check
my $usual = 'delay=40 words=4 gap=15';
my ($start, $end, $most);

provider_fault($_, $usual) for qw(a b);
my @r = load(rate => $rate, seconds => $seconds,
             each => sub { (stream => $_[0] % 2) },
             at => [[$from, sub { provider_fault('a', 'status=503 delay=10');
                                  $start = time() }],
                    [$to, sub { provider_fault('a', $usual);
                                $end = time() }]]);

is(statuses(@r), '200:' . $rate * $seconds, 'every request is served');
is(scalar(grep { !is_whole($_) } @r), 0, 'completely');

# the providers' own counters say the same as the answers
my ($at_a, $at_b) = map { stats($_) } qw(a b);
my $failed = grep { trail($_) =~ /^a=503/ } @r;
is($at_a->{requests}, hits('a', @r), 'requests at a');
is($at_b->{requests}, hits('b', @r), 'requests at b');
is($at_a->{by_status}{503}, $failed, 'failures at a');
is($at_a->{by_status}{200} + $at_b->{by_status}{200}, scalar @r,
   'each was served once');
is($at_a->{streams} + $at_b->{streams}, @r / 2, 'half of them are streams');
is("$at_a->{aborted} $at_b->{aborted}", '0 0', 'none was broken off');
diag("a: $at_a->{requests} requests, $at_a->{by_status}{503} of them failed;"
     . " b: $at_b->{requests}");

my @early = grep { $_->{start} < $start - $late } @r;
is(hits('a', @early), scalar @early, 'all goes to a before');

for my $what ('streams', 'others') {
    my @cell = grep { $_->{stream} xor $what eq 'others' } @r;

    $most += outage($what, $start, $end, @cell);
    recovery($what, $end, @cell);
}
cmp_ok($at_a->{by_status}{503}, '<=', $most, 'failures at a, both cells');
