# Copyright (C) nginx-ai-route contributors

package AILog;

=head1 NAME

AILog - what nginx wrote: access log, error log, records in a file

=head1 SYNOPSIS

    use AIRoute providers => ['a'];
    use Test::Nginx::Socket 'no_plan';
    use AIClient;
    use AILog;

    my $http = ai_log() . "ai_route m { target a; }\n";
    ...
    is(logged(ask())->{outcome}, 'ok', 'outcome');

=head2 Functions

=cut

use strict;
use warnings;

use AIRoute ();
use Exporter 'import';
use JSON::PP ();

our @EXPORT = qw(ai_log logged log_count recorded);

my @fields = (
    status => '$status',
    us => '$upstream_status',
    addr => '$upstream_addr',
    attempts => '$ai_attempts',
    fallback => '$ai_fallback',
    trail => '$ai_trail',
    outcome => '$ai_outcome',
    class => '$ai_error_class',
    queue => '$ai_queue_ms',
    ttft => '$ai_ttft_ms',
    ai_class => '$ai_class',
);


=over

=item ai_log()

The directives, for http, that write what logged() reads.

=cut

sub ai_log {
    my @values = map { $fields[2 * $_ + 1] } 0 .. $#fields / 2;

    return "log_format ai escape=none '"
           . join('|', '$ai_request_id', @values) . "';\n"
           . 'access_log ' . AIRoute::tmp_dir() . "/ai.log ai;\n";
}


=item logged(ANSWER)

The request's line in the access log, waited for: status, us and addr (the
upstream's), attempts, fallback, trail, outcome, class (the error's), queue,
ttft, ai_class.

=cut

sub logged {
    my $r = shift;
    my $path = AIRoute::tmp_dir() . '/ai.log';
    my $line = AIRoute::wait_for(3, sub {
        AIRoute::slurp($path) =~ /^\Q$r->{id}\E\|(.*)$/m ? "$1" : ''
    });
    my %l;

    @l{ map { $fields[2 * $_] } 0 .. $#fields / 2 } =
        split /\|/, $line || '', -1;
    return \%l;
}


=item log_count(PATTERN)

How often the error log of this block has it.

=cut

sub log_count {
    my $pattern = shift;

    return scalar(() =
        AIRoute::slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log")
            =~ /$pattern/g);
}


=item recorded(ID...)

For each id the records of kind "request" in $TEST_NGINX_TMP/usage.jsonl, by
id, waited for.

=back

=cut

sub recorded {
    my @ids = @_;
    my $path = AIRoute::tmp_dir() . '/usage.jsonl';
    my %r;

    AIRoute::wait_for(5, sub {
        %r = ();
        for (split /\n/, AIRoute::slurp_lines($path)) {
            my $one = eval { JSON::PP::decode_json($_) } or next;
            push @{ $r{ $one->{request_id} } }, $one
                if $one->{kind} eq 'request';
        }
        return !grep { !$r{$_} } @ids;
    });
    return \%r;
}

1;
