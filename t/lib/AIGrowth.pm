# Copyright (C) nginx-ai-route contributors

package AIGrowth;

=head1 NAME

AIGrowth - whether processes grow while they work

=head1 SYNOPSIS

    use lib 't/lib';
    use AIGrowth;

    my $watched = AIGrowth->new(warm => 30);
    $watched->look(@pids);              # every few seconds
    print $watched->report;
    my @wrong = $watched->wrong(memory => 1024, files => 8);

=head2 Methods

=cut

use strict;
use warnings;

use Time::HiRes ();


=over

=item new(warm => SECONDS)

What a process had when it was younger does not count: buffers and tables get
their size in that time.

=cut

sub new {
    my ($class, %o) = @_;

    return bless { warm => 30, of => {}, %o }, $class;
}


=item look(PID...)

Takes a sample of each: memory of its own in KB (without what it shares, hence
without the zone) and open files.

=cut

sub look {
    my ($self, @pids) = @_;

    for my $pid (@pids) {
        open my $fh, '<', "/proc/$pid/statm" or next;
        my (undef, $resident, $shared) = split ' ', readline($fh) // '';
        my @files = glob "/proc/$pid/fd/*";

        next unless @files;
        $self->add($pid, Time::HiRes::time(), ($resident - $shared) * 4,
                   scalar @files);
    }
}


=item add(PID, TIME, KILOBYTES, FILES)

A sample that was taken otherwise.

=cut

sub add {
    my ($self, $pid, @sample) = @_;

    push @{ $self->{of}{$pid} }, \@sample;
}


=item growths()

For each process that was seen for at least three times the time to get warm:
a hash with "pid", "seconds", "memory" and "files", the differences between
what it had in the first and in the last quarter after that time (medians, so
that a peak is none), and "at", the memory in the last one.

=cut

sub growths {
    my $self = shift;
    my @all;

    for my $pid (sort { $a <=> $b } keys %{ $self->{of} }) {
        my @samples = @{ $self->{of}{$pid} };
        my ($begin, $end) = map { $_->[0] } @samples[0, -1];
        my $from = $begin + $self->{warm};

        next if $end - $begin < 3 * $self->{warm};

        my $quarter = ($end - $from) / 4;
        my @first = grep { $_->[0] >= $from && $_->[0] <= $from + $quarter }
                    @samples;
        my @last = grep { $_->[0] >= $end - $quarter } @samples;
        next unless @first && @last;

        push @all, { pid => $pid, seconds => $end - $from,
                     memory => median(1, @last) - median(1, @first),
                     files => median(2, @last) - median(2, @first),
                     at => median(1, @last) };
    }
    return @all;
}

sub median {
    my ($field, @samples) = @_;
    my @sorted = sort { $a <=> $b } map { $_->[$field] } @samples;

    return $sorted[@sorted / 2];
}


=item report(), wrong(memory => KILOBYTES, files => N)

A line for each of these; the lines of those that grew by more.  A run in which
none was seen for long enough proves nothing: that is a line, too.

=back

=cut

sub report { return map { line($_) } $_[0]->growths }

sub wrong {
    my ($self, %o) = @_;
    my @all = $self->growths;

    return 'no process was seen for long enough' unless @all;
    return map { line($_) }
           grep { $_->{memory} > $o{memory} || $_->{files} > $o{files} } @all;
}

sub line {
    my $g = shift;

    return sprintf 'process %d: memory %+d KB to %d KB, files %+d, in %.0f s',
                   $g->{pid}, @$g{qw(memory at files seconds)};
}

1;
