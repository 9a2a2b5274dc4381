# Copyright (C) nginx-ai-route contributors

# A Prometheus with the files of docker/prometheus, beside a gateway with an
# outage: it scrapes without complaint, all panels of the dashboard show
# something, an alert fires and ends.  Only addresses and times are other ones.

use lib 't/lib';
use AIRoute providers => [qw(a b)], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

use Cwd ();
use HTTP::Tiny ();
use JSON::PP ();
use POSIX ();

my $tmp = tmp_dir();
my $docker = Cwd::realpath('.') . '/docker';
my $json = JSON::PP->new->utf8;
my ($port, $pid);

sub prometheus_start {
    my $conf = slurp("$docker/prometheus/prometheus.yml");
    my $rules = slurp("$docker/prometheus/ai-route.rules.yml");
    my $gateway = server_port();

    $conf =~ s/gateway:8090/127.0.0.1:$gateway/ or die;
    2 == ($conf =~ s/interval: 15s/interval: 500ms/g) or die;
    spew("$tmp/prometheus.yml", $conf);

    # what fires after minutes fires at once
    $rules =~ s/^    for: .*\n//mg;
    spew("$tmp/ai-route.rules.yml", $rules);

    $port = free_port();
    $pid = fork;
    die "cannot fork: $!\n" unless defined $pid;
    return if $pid;

    open STDIN, '<', '/dev/null';
    open STDOUT, '>', "$tmp/prometheus.log";
    open STDERR, '>&', \*STDOUT;
    { no warnings 'exec';
      exec 'prometheus', "--config.file=$tmp/prometheus.yml",
           "--storage.tsdb.path=$tmp/tsdb", '--log.level=warn',
           "--web.listen-address=127.0.0.1:$port"; }
    POSIX::_exit(127);
}

sub prometheus_stop {
    return unless $pid;
    kill 'TERM', $pid;
    wait_for(10, sub { waitpid($pid, POSIX::WNOHANG()) != 0 })
        or kill 'KILL', $pid;
    undef $pid;
}

# what its API answers, or nothing
sub prometheus {
    my ($path, %o) = @_;
    my $http = HTTP::Tiny->new(timeout => 10);
    my $r = $http->get("http://127.0.0.1:$port/api/v1/$path?"
                       . $http->www_form_urlencode(\%o));
    my $answer = eval { $json->decode($r->{content}) } || {};

    return ($answer->{status} || '') eq 'success' ? $answer->{data} : undef;
}

sub query {
    my $data = prometheus('query', query => shift);

    return $data ? @{ $data->{result} } : ();
}

# "name: summary" => 1 of the alerts that fire
sub firing {
    my $data = prometheus('alerts') or return {};

    return { map { ("$_->{labels}{alertname}: $_->{annotations}{summary}", 1) }
             grep { $_->{state} eq 'firing' } @{ $data->{alerts} } };
}

# [title, expression]
sub panels {
    my $board = slurp("$docker/grafana/dashboards/ai-route.json");

    return map { my $title = $_->{title};
                 map { [$title, $_->{expr} =~ s/\$__rate_interval/20s/gr] }
                     @{ $_->{targets} || [] } }
           @{ $json->decode($board)->{panels} };
}

check_blocks(http => <<'END', accounts => <<'END', perl => sub { eval shift });
ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 stream=ai:usage pins=on
         spool=$TEST_NGINX_TMP/spool;
ai_zone ai 1m;
ai_breaker failures=3 open=60s max_open=60s;
ai_key k hash=sha256:$TEST_NGINX_ADMIN team=search;
END
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit budget=1usd/day;
    ai_price * input=1 output=2; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1;
    ai_price * input=1 output=2; }
ai_route m { target a; target b tier=2; }
END

no_long_string();
run_tests();
prometheus_stop();

__DATA__

=== TEST 1: it scrapes, shows and warns
--- check
SKIP: {
    skip 'no prometheus', 1
        unless grep { -x "$_/prometheus" } split /:/, $ENV{PATH};

    my @key = (head => "Authorization: Bearer s3cr3t\r\n");
    my $opens = 'AiRouteBreakerOpen: breaker of a m is open';

    prometheus_start();
    wait_for(30, sub { query('up == 1') })
        or return fail('it scrapes: ' . slurp("$tmp/prometheus.log"));

    # the first ones show from which value it counts
    ask(@key);
    ask(@key, stream => 1);
    wait_for(10, sub { query('ai_route_requests_total') });
    is(firing()->{$opens}, undef, 'no breaker is open');

    provider_fault('a', 'gap=20');
    ask(@key, stream => 1) for 1 .. 3;
    provider_fault('a', 'status=500');
    ask(@key) for 1 .. 8;
    ask(@key, stream => 1) for 1 .. 8;

    ok(wait_for(20, sub { firing()->{$opens} }), 'an alert fires')
        or diag(join "\n", keys %{ firing() });

    my @empty;
    wait_for(10, sub {
        @empty = grep { !query($_->[1]) } panels();
        return !@empty;
    });
    cmp_ok(scalar(my @all = panels()), '>', 30, 'queries of panels');
    is(join("\n", map { "@$_" } @empty), '', 'all show something');

    my $rules = prometheus('rules')->{groups}[0]{rules};
    cmp_ok(scalar @$rules, '>', 5, 'rules');
    is("$_->{health} " . ($_->{lastError} // ''), 'ok ', $_->{name})
        for @$rules;

    provider_fault('a', '');
    operator_reset('a');
    ok(wait_for(20, sub { !firing()->{$opens} }), 'and ends');

    prometheus_stop();
    is(join("\n", grep { !/exiting gracefully/ }
                  split /\n/, slurp("$tmp/prometheus.log")), '',
       'it has nothing to complain about');
}
