# Copyright (C) nginx-ai-route contributors

# An account's outage under constant load: what it is asked meanwhile, who
# serves, when it is back.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

use Time::HiRes qw(time);

workers(2);

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off;
                   first_byte 1s; first_token 1s; }
END

my $accounts = <<'END';
ai_breaker failures=5 rate=50 min=20 window=10s open=500ms max_open=500ms
           ramp=1s;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 16;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 16;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route both { target a; target b; }
END

check_blocks(http => $http, accounts => $accounts, reset => [qw(a b)],
             perl => sub { eval shift });

# 10 s of load, account a out of order from 2 s to 7 s
sub drill {
    my ($fault, $sample, %o) = @_;
    my $model = $o{model} || 'm';
    my ($from, $to);

    my @r = load(rate => 80, seconds => 10,
                 each => sub { (model => $model, %{ $o{more} || {} }) },
                 at => [[2, sub { provider_fault('a', $fault);
                                  $from = time() }],
                        [7, sub { provider_fault('a', '');
                                  $to = time() }]]);

    is(statuses(@r), '200:800', 'every request is served');
    is(scalar(grep { !$_->{complete} || $_->{body} =~ /"error"/ } @r), 0,
       'completely');
    # a kept connection that is reset is not yet the provider's answer
    between(requests('a'), hits('a', @r), hits('a', @r) + ($o{kept} || 0),
            'the provider counts the same');

    my @out = grep { $_->{start} >= $from && $_->{start} < $to } @r;
    my @hit = grep { hits('a', $_) } @out;

    # 450 to 550 ms of waiting between two probes
    between(scalar @hit, $sample + 5, $o{most} || $sample + 12,
            'a is asked for the sample and the probes');
    is(hits('b', @out), scalar @out, 'b serves all of these');
    my @late = grep { $_->{start} > $from + ($o{settle} || 0.5) } @hit;
    for (1 .. $#late) {
        cmp_ok($late[$_]{t} - $late[$_ - 1]{t}, '>', 0.43,
               'time between two probes');
    }
    cmp_ok(scalar @late, '>=', 3, 'probes');

    # back: the probe within one interval, the rest within the ramp
    my @after = grep { $_->{start} >= $to } @r;
    my ($first) = grep { hits('a', $_) } @after;
    cmp_ok($first->{start} - $to, '<', 0.55 + ($o{grace} || 0.2),
           'asked again within one interval');
    my @ramp = grep { $_->{start} > $first->{start} + 0.05
                      && $_->{start} < $first->{start} + 0.3 } @after;
    cmp_ok(hits('a', @ramp), '<=', 0.5 * @ramp, 'no burst');
    my @end = grep { $_->{start} > $first->{start} + 1.1 } @after;
    return (\@end, \@out);
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: server errors
--- check
my ($end) = drill('status=503', 5);
is(hits('a', @$end), scalar @$end, 'all traffic is back');



=== TEST 2: resets, two of equal weight, streams
--- check
my ($end, $out) = drill('reset', 5, model => 'both', kept => 16,
                        more => { stream => 1 });
between(hits('a', @$end), 0.4 * @$end, 0.6 * @$end, 'half of it is back');
