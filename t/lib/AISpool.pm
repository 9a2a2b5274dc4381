# Copyright (C) nginx-ai-route contributors

package AISpool;

=head1 NAME

AISpool - blocks whose usage records go to Redis by way of a spool

=head1 SYNOPSIS

    use lib 't/lib';
    use AIRoute providers => ['a'], redis => 1;
    use Test::Nginx::Socket 'no_plan';
    use AISpool;

    spool_blocks(perl => sub { eval shift });
    run_tests();

    __DATA__

    === TEST 1: Redis is away
    --- check
    redis_stop();
    my @r = asks(10);
    redis_start();
    recorded('back', @r);

Each block has a folder of its own.  "usage" are more parameters of ai_usage,
"folder" is another place for it, "lossy" allows that records are lost.

The provider's names of models are "m" and whatever begins with "m-": a long
name makes a long record.

=head2 Functions

=cut

use strict;
use warnings;

use AICheck;
use AIClient;
use AIRoute;
use AIWorkers;
use Exporter 'import';
use Test::More ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(spool_blocks folder files asks recorded records duplicates
                 nginx_conf log_sum);

my $folder;

my $http = <<'END';
ai_class default { retry_same off; max_wait off; }
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 16;
    ai_account provider=openai base=http://a.test/v1; }
ai_route m   { target a; }
ai_route m-* { target a; }
END

sub spool_blocks {
    my %o = @_;
    my $tmp = AIRoute::tmp_dir();

    # what holds the folders, for workers that are nobody
    chmod 0755, $tmp;

    check_blocks(
        http => sub {
            my ($n) = $_[0]->name =~ /TEST (\d+)/;
            my $at = $_[0]->folder || "\$TEST_NGINX_TMP/spool-$n";
            my $more = $_[0]->usage || '';

            return 'ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT '
                   . "spool=$at $more;\n$http";
        },
        no_error_log => sub {
            [defined $_[0]->lossy ? () : qr/records (?:lost|dropped)/]
        },
        reset => ['a'], %o,
        before => sub {
            my ($n) = $_[0]->name =~ /TEST (\d+)/;
            $folder = $_[0]->folder || "$tmp/spool-$n";
            $folder =~ s/\$TEST_NGINX_TMP/$tmp/;
            redis_start();
            redis_cli('FLUSHALL');
            $o{before}->($_[0]) if $o{before};
        });
}


=over

=item folder(), files([KIND])

The block's folder, the names of the files in it ("log", "mem").

=cut

sub folder { return $folder }

sub files {
    my $kind = shift || '*';

    return map { m{([^/]+)$} } sort glob "$folder/*.$kind";
}

=item asks(COUNT[, NAME => VALUE...])

The answers to so many requests, one after the other; a test that none of them
waited.

=cut

sub asks {
    my ($n, @more) = @_;
    my @r = map { ask(@more) } 1 .. $n;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    served(@r);
    AIClient::none_waited('none of them waited', @r);
    return @r;
}

=item served(ANSWER...)

A test that all of them were good.  Those of load(), which come whether or not
others are done, wait for each other where the machine is busy, and are not
asked for how long.

=cut

sub served {
    my @r = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::is(statuses(@r), '200:' . @r, 'all were served');
}

=item recorded(NAME, ANSWER...)

A test: Redis has a record of each of these, and of no other.

=cut

sub recorded {
    my ($what, @r) = @_;
    my $n = @r;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    AIRoute::wait_for(20, sub { keys %{ records() } >= $n });

    my $records = records();
    my %id = map { $_->{request_id} => 1 } values %$records;

    Test::More::is(scalar keys %$records, $n, "$what: $n records");
    Test::More::is(join(' ', grep { !$id{$_} } map { $_->{id} } @r), '',
                   "$what: of each");
}

=item records(), duplicates()

Those that Redis has, by event_id; how many are there more than once.

=cut

sub records {
    return { map { $_->{event_id} => $_ } usage_entries() };
}

sub duplicates {
    my @all = usage_entries();

    return @all - keys %{ { map { $_->{event_id} => 1 } @all } };
}

=item nginx_conf(CODE)

The configuration is what CODE makes of it, in $_.

=cut

sub nginx_conf {
    my $code = shift;
    my $path = "$ENV{TEST_NGINX_SERVROOT}/conf/nginx.conf";

    local $_ = AIRoute::slurp($path);
    $code->();
    open my $fh, '>', $path or die "$path: $!\n";
    print $fh $_;
    close $fh;
}

=item log_sum(PATTERN)

The sum of the numbers that the pattern's group finds in the error log.

=back

=cut

sub log_sum {
    my $pattern = shift;
    my $log = AIRoute::slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log");
    my $sum = 0;

    $sum += $1 while $log =~ /$pattern/g;
    return $sum;
}

1;
