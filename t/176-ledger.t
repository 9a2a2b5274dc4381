# Copyright (C) nginx-ai-route contributors

# t/tools/ledger-check: the books of a real run are in order, and whatever is
# changed in them is found.

BEGIN {
    unless (grep { -x "$_/python3" } split /:/, $ENV{PATH}) {
        print "1..0 # SKIP python3 is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Time::HiRes qw(sleep);

my $tmp = tmp_dir();
my $hash = sha256_hex('s3cr3t');
my $json = JSON::PP->new->canonical;
my (@args, $out);

open my $map, '>', "$tmp/prices.json" or die "$tmp: $!\n";
print $map <<'END';
{"priced": {"input_cost_per_token": 3.3333333333333335e-05,
            "output_cost_per_token": "1.5e-06",
            "output_cost_per_reasoning_token": 5e-06,
            "cache_read_input_token_cost": 1e-7,
            "input_cost_per_token_above_1k_tokens": 4e-05,
            "input_cost_per_token_flex": 1e-6}}
END
close $map;

my $http = <<"END";
log_format ledger 'id=\$ai_request_id status=\$status outcome=\$ai_outcome '
                  'attempts=\$ai_attempts account=\$ai_account '
                  'key=\$ai_key_id team=\$ai_team in=\$ai_input_tokens '
                  'out=\$ai_output_tokens cost=\$ai_cost_usd';
access_log $tmp/access.log ledger;
ai_zone ai 4m state=$tmp/state;
ai_usage file:$tmp/usage.jsonl;
ai_prices $tmp/prices.json;
ai_price * input=1.5 output=7.25;
ai_key k hash=sha256:$hash team=search budget=10usd/day,20usd/total;
ai_class default { max_wait off; retry_same off; }
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 16;
    ai_account provider=openai base=http://a/v1; ai_limit budget=10usd/day; }
upstream b { server 127.0.0.1:\$TEST_NGINX_PROVIDER_B; keepalive 16;
    ai_account provider=groq base=http://b/v1;
    ai_price other input=0.2 output=0.333333 request=0.0004; }
ai_route m { target a; target b tier=2; }
ai_route n { target b model=other; }
ai_route priced { target a; }
END

check_blocks(http => $http, reset => [qw(a b)], perl => sub { eval shift });

# every kind of answer, and the books in order
sub traffic {
    my $auth = "Authorization: Bearer s3cr3t\r\n";

    for my $script ('', 'status=500', 'cut=2', 'error_first', 'usage=off',
                    'prompt=2000,cached=70,reasoning=5', 'status=400',
                    'stall=2', 'error_after=2')
    {
        provider_fault('a', $script);
        ask_all(map { [model => (qw(m n priced none))[$_ % 4], max => 3,
                       stream => $_ % 2,
                       head => $_ == 7 ? '' : $auth] } 0 .. 7)
            unless $script =~ /stall/;
        my $q = open_request(model => 'm', stream => 1, head => $auth);
        sysread $q->{socket}, my $some, 100;
        close $q->{socket};
    }
    wait_for(7, sub { records() >= 73 });
}

sub records {
    open my $fh, '<', "$tmp/usage.jsonl" or return 0;
    return scalar grep { /"kind":"request"/ } <$fh>;
}

# the exit code for records that CODE has changed, and what is said
sub check {
    my ($code, @more) = @_;
    my @r = map { JSON::PP::decode_json($_) }
            split /\n/, slurp_lines("$tmp/usage.jsonl");

    $code->(\@r);
    open my $fh, '>', "$tmp/changed.jsonl" or die "$tmp: $!\n";
    print $fh map { $json->encode($_) . "\n" } @r;
    close $fh;

    open my $p, '-|', 't/tools/ledger-check', "$tmp/changed.jsonl",
         (@more ? @more : @args) or die "ledger-check: $!\n";
    local $/;
    $out = <$p>;
    close $p;
    return $? >> 8;
}

# what is wrong must be found, and it alone
sub found {
    my ($what, $code, @more) = @_;

    is(check($code, @more), 1, "$what: found");
    is(join(', ', $out =~ /^WRONG (.*?):/mg), $what, 'and nothing else')
        or diag($out);
}

sub one { my ($r, $want) = @_; return (grep { $want->($_) } @$r)[0] }

sub ok_one { return one($_[0], sub { $_->{outcome} eq 'ok'
                                     && $_->{kind} eq 'request'
                                     && $_->{attempts} == 1
                                     && $_->{cost_nanousd} }) }

run_tests();

__DATA__

=== TEST 1: the books of a real run
--- check
traffic();
sleep 1.3;
nginx_signal('QUIT');
ok(wait_for(12, sub { nginx_is_gone() }), 'the state is written');
@args = ('--access-log', "$tmp/access.log", '--state', "$tmp/state/budgets",
         '--prices', "$tmp/prices.json", '--price', '* input=1.5 output=7.25',
         '--price', 'b:other input=0.2 output=0.333333 request=0.0004');

is(check(sub { }), 0, 'they agree') or diag($out);
like($out, qr/^budgets +3 agree, 0 within/m, 'budgets, exactly');
like($out, qr/^costs +[3-9]\d recomputed, 0 by a service tier, 0 not known/m,
     'costs');
like($out, qr/^requests +73,/m, 'all requests');
like($out, qr/^attempts +[1-9]/m, 'attempts');
my ($usd) = $out =~ /^ +all .* (\d+\.\d{9}) USD$/m;
my ($key) = slurp("$tmp/state/budgets") =~ /.* total \d+ (\d+) k$/sm;
is(sprintf('%.0f', $usd * 1e9), $key, 'the sum is what the key has spent');

# each as it is found; money is found in three places
found('budget and records differ, record without a line in the access log',
      sub { my $r = ok_one($_[0]);
            push @{ $_[0] }, { %$r, event_id => ('0' x 32) . '/0',
                               request_id => 'nobody' } });
found('budget and records differ, access log and records differ',
      sub { my $r = ok_one($_[0]);
            push @{ $_[0] }, { %$r, event_id => ('0' x 32) . '/0' } });
found('budget and records differ, access log and records differ',
      sub { my $r = ok_one($_[0]);
            @{ $_[0] } = grep { $_ != $r } @{ $_[0] } });
found('cost is not price x tokens, budget and records differ, '
      . 'access log and record disagree',
      sub { ok_one($_[0])->{cost_nanousd}++ });
found('cost is not price x tokens, access log and record disagree',
      sub { ok_one($_[0])->{output_tokens}++ });
found('access log and record disagree',
      sub { ok_one($_[0])->{team} = 'another' });

# by the records alone
my @alone = ('--no-sums');
is(check(sub { push @{ $_[0] }, @{ $_[0] } }, @args), 0, 'all of them twice');
like($out, qr/ (\d+) read, (\d+) duplicates dropped/, 'are dropped');
found('two records of one event differ',
      sub { push @{ $_[0] }, { %{ $_[0][0] }, latency_ms => 99999 } }, @alone);
found('attempts without a record',
      sub { my $a = one($_[0], sub { $_->{kind} eq 'attempt' });
            @{ $_[0] } = grep { $_ != $a } @{ $_[0] } }, @alone);
found('attempts without their request',
      sub { my $q = one($_[0], sub { $_->{kind} eq 'request'
                                     && $_->{attempts} > 1 });
            @{ $_[0] } = grep { $_ != $q } @{ $_[0] } }, @alone);
found('trail and attempts differ',
      sub { one($_[0], sub { ($_->{trail} || '') =~ /,/ })->{trail}
                =~ s/500/502/ }, @alone);
found('request and last attempt differ',
      sub { one($_[0], sub { $_->{kind} eq 'request' && $_->{attempts} > 1
                             && $_->{input_tokens} })->{input_tokens}++ },
      @alone);
found('not a whole record', sub { delete ok_one($_[0])->{drill} }, @alone);
found('no event_id', sub { $_[0][0]{event_id} =~ s/^././ }, @alone);
for my $bad ([outcome => 'fine'], [status => 500], [error_class => 'reset'],
             [usage_source => 'none'], [cache_read_tokens => 1e6],
             [attempts => 0], [latency_ms => -1], [attempt => 1])
{
    found('implausible record', sub { ok_one($_[0])->{$bad->[0]} = $bad->[1] },
          @alone);
}

# as OpenRouter tells it
is(check(sub { my $r = ok_one($_[0]);
               $r->{reasoning_tokens} = $r->{output_tokens} + 1 }, @args), 0,
   'more reasoning than output') or diag($out);

# a worker that died while it recorded
my $lost = { outcome => 'error', error_class => 'worker_lost' };
is(check(sub { my $r = ok_one($_[0]); my %l = (%$r, %$lost);
               delete @l{qw(status trail input_tokens output_tokens)};
               push @{ $_[0] }, \%l; unshift @{ $_[0] }, \%l }, @args), 0,
   'a survivor spoke of it, too') or diag($out);
like($out, qr/ 2 duplicates dropped \(\d of them a survivor's/, 'dropped');

# what died excuses a difference of its account, but not one of its key
found('budget and records differ', sub { my $r = ok_one($_[0]);
      my %l = (%$r, %$lost, event_id => ('0' x 32) . '/0', cost_nanousd => 9,
               account => 'a');
      delete @l{qw(status trail input_tokens output_tokens)};
      push @{ $_[0] }, \%l });
like($out, qr/^note  account "a" per day/m, 'a note of the account');

# prices
is(check(sub { }, '--prices', "$tmp/prices.json", '--price',
         '* input=1.5 output=7.26', '--price', 'b:other input=0.2 '
         . 'output=0.333333 request=0.0004'), 1, 'another price');
is(check(sub { ok_one($_[0])->{provider} = 'xai';
               ok_one($_[0])->{cost_nanousd} = 5 }, '--price',
         '* input=1.5 output=7.25', '--own-bill', 'a', '--own-bill', 'b'), 0,
   'a bill of its own') or diag($out);

# the state file
(my $state = slurp("$tmp/state/budgets")) =~ s/ (\d)(\d* k)$/ 9$2/m;
open my $fh, '>', "$tmp/bad" or die; print $fh $state; close $fh;
found('damaged line in the state file', sub { }, '--state', "$tmp/bad")
    unless $state eq slurp("$tmp/state/budgets");
is(check(sub { }, '--state', "$tmp/none"), 2, 'no such file');



=== TEST 2: a client's report
--- check
my @seen;
my $by = {};
for (split /\n/, slurp_lines("$tmp/usage.jsonl")) {
    my $r = JSON::PP::decode_json($_);
    $by->{ $r->{request_id} } = $r if $r->{kind} eq 'request';
}
sub client {
    my ($kills, @more) = @_;
    open my $fh, '>', "$tmp/report" or die;
    print $fh map { "$_\t$by->{$_}{status}\tcomplete\t1000\t2000\n" }
              sort keys %$by;
    print $fh map { join("\t", @$_) . "\n" } @more;
    close $fh;
    open $fh, '>', "$tmp/kills" or die;
    print $fh "$_\n" for @$kills;
    close $fh;
    return ('--no-sums', '--client', "$tmp/report", '--kills', "$tmp/kills");
}
my $r = (values %$by)[0];
is(check(sub { }, client([])), 0, 'all agree') or diag($out);
like($out, qr/^missing +0$/m, 'nothing is missing');
found('request without a record', sub { }, client([], ['x', 200, $_, 1, 2]))
    for qw(complete cut gone);
found('request without a record', sub { }, client([], ['x', 0, 'left', 1, 2]));
is(check(sub { }, client([], ['x', 0, $_, 1, 2])), 0, "$_: not accepted")
    for qw(none unsent);
is(check(sub { }, client([5000], ['x', 0, 'left', 4000, 4500])), 0,
   'left as its worker died');
found('request without a record', sub { },
      client([5000], ['x', 0, 'left', 5200, 5300]));
is(check(sub { }, client([5000], ['x', 401, 'complete', 4999, 5001])), 0,
   'refused as its worker died');
found('request without a record', sub { },
      client([5000], ['x', 429, 'complete', 4999, 5001]));
my $some = (sort keys %$by)[0];
found('record without a request', sub { push @{ $_[0] },
      { %{ $by->{$some} }, event_id => ('0' x 32) . '/0', attempts => 0,
        request_id => 'y', outcome => 'rejected', status => 400,
        error_class => 'client_error', usage_source => 'none', v => 1,
        map { $_ => undef } qw(account input_tokens output_tokens
        cost_nanousd trail reasoning_tokens cache_read_tokens) } },
      client([]));
found('recorded more than once', sub { push @{ $_[0] },
      { %{ ok_one($_[0]) }, event_id => ('0' x 32) . '/0' } }, client([]));



=== TEST 3: metered locations, and units that records do not have
--- check
my $meter = sub {
    my $n = 0;
    my %more = @_;
    my %r = (v => 1, kind => 'request', request_id => 'x', ts_ms => 1,
             key_id => 'anonymous', status => 200, outcome => 'ok',
             account => 'p', provider => 'openai', attempts => 2,
             fallback => 'none', usage_source => 'provider',
             model_served => 'served', model_requested => 'asked',
             input_tokens => 1000, output_tokens => 0, latency_ms => 1,
             drill => 0, %more, event_id => ('f' x 32) . '/0');
    return sub { @{ $_[0] } = ({ map { defined $r{$_} ? ($_ => $r{$_}) : () }
                                 keys %r }) };
};
my @p = map { ('--price', $_) } 'asked input=1 output=1', '* input=9 output=9';
is(check($meter->(cost_nanousd => 1_000_000), '--no-sums', @p), 0,
   'the model that was asked for') or diag($out);
is(check($meter->(cost_nanousd => 2_000_000), '--no-sums', @p, '--price',
         'p:* input=2 output=2'), 0, 'after the account') or diag($out);
found('attempts without a record', $meter->(class => 'default'), '--no-sums');
like((check($meter->(cost_nanousd => 1)), $out)[1],
     qr/^ +all +1 +1 +1000 +0 +0\.000000001 USD$/m, 'it is billed');
my $per = 'served input=1 output=1 second=0.006';
is(check($meter->(cost_nanousd => 6), '--no-sums', '--price', $per), 0,
   'by the second');
like($out, qr/, 1 told by providers or by other units$/m, 'not recomputed');
