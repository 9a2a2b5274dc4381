# Copyright (C) nginx-ai-route contributors

# The drill of docs/drill.md: an account answers 503 for some seconds under
# live traffic.  Nobody notices but the gateway, and what it says of it agrees
# with the usage records.

use lib 't/lib';
use AIRoute providers => [qw(a b)], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIFault;

use List::Util qw(sum0 min);
use Time::HiRes qw(time sleep);

workers(2);

my $http = <<'END';
ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 stream=ai:usage;
ai_price * input=1 output=10;
ai_class default { expose trail; }
ai_class batch { expose trail; }
END

my $accounts = <<'END';
ai_breaker failures=3 rate=100 open=1s max_open=2s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 32;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 32;
    ai_account provider=openai base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route other { target b; }
END

check_blocks(http => $http, accounts => $accounts, reset => [qw(a b)],
             before => sub { redis_cli('FLUSHALL') },
             perl => sub { eval shift });

no_long_string();
run_tests();

__DATA__

=== TEST 1: 503 on the primary account
--- check
my ($f, $end);
my @r = load(rate => 60, seconds => 8,
             each => sub { (stream => $_[0] % 2,
                            model => $_[0] % 10 ? 'm' : 'other') },
             at => [[1, sub { $f = fault_begin(account => 'a',
                                               fault => 'status',
                                               status => 503, ttl => '3s') }],
                    [7.5, sub { $end = fault_seen($f->{id}) }]]);

# what a client sees
is(statuses(@r), '200:480', 'every request is served');
is(scalar(grep { !$_->{complete} } @r), 0, 'completely');

my ($from, $to) = map { $_ / 1000 } @{$end}{qw(started_ms ended_ms)};
my @before = grep { $_->{model} eq 'm' && $_->{start} < $from - 0.05 } @r;
my @late = grep { $_->{model} eq 'm' && $_->{start} > $to + 2.5 } @r;
is(hits('a', @before), scalar @before, 'by the primary before');
is(join(' ', sort { $a cmp $b } keys %{{ map { way($_) => 1 } @late }}), 'a',
   'and after it');

# what the gateway says
is("$end->{active} $end->{ended_by}", '0 ttl', 'it ended by itself');
is($end->{ends_ms}, $end->{ended_ms}, 'when it should');
between($end->{first_hit_ms}, $end->{started_ms}, $end->{started_ms} + 1000,
        'hit at once');
between($end->{detected_ms}, $end->{first_hit_ms},
        $end->{first_hit_ms} + 2000, 'detected soon');
between($end->{returned_ms}, $end->{ended_ms}, $end->{ended_ms} + 2500,
        'back within two seconds');
is($end->{lost}, 0, 'none is lost');
is($end->{saved}, $end->{hit}, 'all that met it are saved');
cmp_ok($end->{hit}, '<', 40, 'few have to meet it');

my @what = map { $_->{what} } @{ $end->{timeline} };
is($what[0], 'fault_started', 'the timeline begins');
is(scalar(grep { $_ eq 'fault_ended' } @what), 1, 'has its end');
cmp_ok(scalar(grep { /^opened$/ } @what), '>=', 2,
       'the breakers of streams and others open');
is($what[-1], 'recovered', 'and close');
my ($first) = grep { $_->{what} eq 'opened' } @{ $end->{timeline} };
is($end->{detected_ms}, $first->{at_ms}, 'detected is the first of them');

# what the records say
my @rec = usage_entries('ai:usage', 480);
ok(wait_for(3, sub { @rec = usage_entries();
                     my %n; $n{ $_->{kind} }++ for @rec;
                     return $n{request} == 480 }), 'all requests recorded');
sleep 0.3;
@rec = usage_entries();
my @drill = grep { $_->{drill} } @rec;
my %of;
push @{ $of{ $_->{request_id} } }, $_ for @drill;
my @request = grep { $_->{kind} eq 'request' } @drill;
my %hit = map { $_->{request_id} => 1 }
          grep { $_->{kind} eq 'attempt' && $_->{account} eq 'a'
                 && $_->{status} == 503 } @rec;

is(scalar(grep { $_->{model_requested} ne 'm' } @drill), 0,
   'only those that could use the account are marked');
is($end->{requests}, scalar @request, 'requests');
is($end->{ok}, scalar(grep { $_->{outcome} eq 'ok' } @request), 'ok');
is($end->{hit}, scalar keys %hit, 'hit');
is($end->{attempts}, scalar(grep { $_->{kind} eq 'attempt'
                                   && $_->{account} eq 'a'
                                   && $_->{status} == 503 } @drill),
   'attempts');
is(scalar(grep { !$of{$_} } keys %hit), 0, 'all that met it are marked');
is($end->{moved_nanousd},
   sum0(map { my $id = $_;
              map { $_->{cost_nanousd} || 0 }
              grep { $_->{kind} eq 'attempt' && $_->{account} ne 'a' }
              @{ $of{$id} } } keys %hit), 'cost moved');

my $added = 0;
for my $id (keys %hit) {
    my @try = sort { $a->{attempt} <=> $b->{attempt} }
              grep { $_->{kind} eq 'attempt' && $_->{status} == 503 }
              @{ $of{$id} };
    $added += $try[-1]{ts_ms} + $try[-1]{latency_ms} - $try[0]{ts_ms};
}
is($end->{added_ms}, $added, 'time added');

my $all = scalar(grep { $_->{kind} eq 'request' && $_->{model_requested} eq 'm'
                        && $_->{ts_ms} >= $end->{started_ms}
                        && $_->{ts_ms} < $end->{ended_ms} } @rec);
between($end->{requests}, $all - 3, $all + 3,
        'marked are those that came while it ran');



=== TEST 2: a bad credential, for one class only
--- check
my ($f, $end);
my @r = load(rate => 40, seconds => 4,
             each => sub { (class => $_[0] % 4 ? 'default' : 'batch') },
             at => [[1, sub { $f = fault_begin(account => 'a',
                                               fault => 'bad_credential',
                                               class => 'batch',
                                               ttl => '1s') }],
                    [3, sub { accounts_open('a') }]]);
$end = fault_back($f->{id});

is(statuses(@r), '200:160', 'every request is served');
is(join(' ', map { $_->{what} } @{ $end->{timeline} }),
   'fault_started closed fault_ended reset',
   'the account closes for all, and stays so until it is reset');
is($end->{timeline}[1]{detail}, 'auth', 'why');
is($end->{hit}, 1, 'one try tells it');
is("$end->{lost} $end->{saved}", '0 1', 'saved');
# the two moments are rounded by themselves
between($end->{returned_ms}, $end->{timeline}[3]{at_ms} - 2,
        $end->{timeline}[3]{at_ms} + 1000, 'back when it is reset');
is(scalar(grep { $_->{drill} && $_->{class} ne 'batch' } usage_entries()), 0,
   'only its class is marked');
