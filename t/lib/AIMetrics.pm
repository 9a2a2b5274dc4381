# Copyright (C) nginx-ai-route contributors

package AIMetrics;

=head1 NAME

AIMetrics - what GET metrics and GET history answer

=head1 SYNOPSIS

    use AIRoute;
    use Test::Nginx::Socket 'no_plan';
    use AIMetrics;

    my $m = metrics();
    is(value($m, 'ai_route_requests_total', route => 'm'), 3, 'requests');
    is(promtool($m->{text}), '', 'promtool has nothing to say');

=head2 Functions

=cut

use strict;
use warnings;

use AIRoute ();
use Exporter 'import';
use HTTP::Tiny ();
use JSON::PP ();
use Time::HiRes ();

our @EXPORT = qw(metrics samples value broken_histograms promtool history
                 history_points);


=over

=item metrics([PATH])

The answer: "text", "type" by family, and "samples", a list of { name, labels,
value }.  It dies of a line that is none.

=cut

sub fetch {
    my ($path) = @_;
    my $port = Test::Nginx::Util::server_port();

    return HTTP::Tiny->new->get("http://127.0.0.1:$port/ai/$path");
}

sub metrics {
    my $r = fetch('metrics');
    my %m = (%$r, text => $r->{content}, type => {}, samples => []);
    my $label = qr/[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"/;

    for (split /\n/, $r->{content}) {
        if (/^# TYPE (\S+) (\S+)$/) {
            die "two families $1\n" if $m{type}{$1};
            $m{type}{$1} = $2;
        } elsif (/^# HELP \S+ \S/) {
            next;
        } elsif (/^([a-z_]+)(?:\{($label(?:,$label)*)\})? (\S+)$/) {
            my ($name, $labels, $value) = ($1, $2, $3);
            my %l;
            $labels = '' unless defined $labels;
            while ($labels =~ /([a-z_]+)="((?:[^"\\]|\\.)*)"/g) {
                my ($n, $v) = ($1, $2);
                $v =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ge;
                $l{$n} = $v;
            }
            push @{ $m{samples} },
                 { name => $name, labels => \%l, value => $value };
        } else {
            die "no line of metrics: $_\n";
        }
    }

    return \%m;
}


=item samples(METRICS, NAME, LABEL => VALUE...)

Those of this name that have these labels.

=item value(METRICS, NAME, LABEL => VALUE...)

Their sum; undef if there are none.

=cut

sub samples {
    my ($m, $name, %labels) = @_;

    return grep {
        my $s = $_;
        $s->{name} eq $name
            && !grep { !defined $s->{labels}{$_}
                       || $s->{labels}{$_} ne $labels{$_} } keys %labels
    } @{ $m->{samples} };
}

sub value {
    my $sum;

    $sum = (defined $sum ? $sum : 0) + $_->{value} for samples(@_);
    return $sum;
}


=item broken_histograms(METRICS)

What is wrong with them: buckets that fall, bounds out of order, a last bucket
that is not the count, a sum that no such samples have.

=cut

sub broken_histograms {
    my ($m) = @_;
    my (%h, @wrong);

    for my $s (@{ $m->{samples} }) {
        my ($family, $what) = $s->{name} =~ /^(.*)_(bucket|sum|count)$/
            or next;
        next if ($m->{type}{$family} || '') ne 'histogram';

        my %l = %{ $s->{labels} };
        my $le = delete $l{le};
        my $h = $h{ join '|', $family, map { "$_=$l{$_}" } sort keys %l }
              ||= { buckets => [] };

        if ($what eq 'bucket') {
            push @{ $h->{buckets} }, [$le, $s->{value}];
        } else {
            $h->{$what} = $s->{value};
        }
    }

    for my $name (sort keys %h) {
        my ($h, $last, $bound) = ($h{$name}, 0, -1);
        my ($least, $most) = (0, 0);

        for (@{ $h->{buckets} }) {
            my ($le, $n) = @$_;
            my $here = $n - $last;

            push @wrong, "$name: $n after $last" if $here < 0;
            push @wrong, "$name: $le after $bound"
                if $le ne '+Inf' && $le <= $bound;
            $least += $here * $bound if $bound > 0;
            $most += $here * ($le eq '+Inf' ? 9**9 : $le);
            ($last, $bound) = ($n, $le);
        }
        push @wrong, "$name: no +Inf" if $bound ne '+Inf';
        push @wrong, "$name: $last of $h->{count}" if $last != $h->{count};
        push @wrong, "$name: sum $h->{sum}, not $least to $most"
            if $h->{sum} < $least * 0.999 || $h->{sum} > $most * 1.001;
    }

    return @wrong;
}


=item promtool(TEXT[, WORD...])

What "promtool check metrics", or another one of its commands, says of a text
when it is not content.

=cut

sub promtool {
    my ($text, @words) = @_;
    my $file = AIRoute::tmp_dir() . '/promtool.' . (@words ? 'yml' : 'txt');

    @words = qw(check metrics) if !@words;
    open my $fh, '>', $file or die "$file: $!\n";
    print $fh $text;
    close $fh;

    my $command = "promtool @words";
    my $said = $words[1] eq 'metrics' ? `$command < $file 2>&1`
                                      : `$command $file 2>&1`;
    return $? ? "status $?: $said" : '';
}


=item history(), history_points()

The decoded answer, and its points as hashes by field.

=back

=cut

sub history {
    my $r = fetch('history');

    die "history: $r->{status}\n" unless $r->{success};
    return JSON::PP->new->utf8->decode($r->{content});
}

sub history_points {
    my $h = history();

    return map {
        my %p;
        @p{ @{ $h->{fields} } } = @$_;
        \%p;
    } @{ $h->{points} };
}

1;
