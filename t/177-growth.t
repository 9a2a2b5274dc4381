# Copyright (C) nginx-ai-route contributors

# AIGrowth, by which "make soak" tells growth from warming up and from peaks.

use strict;
use warnings;

use lib 't/lib';
use AIGrowth;
use Test::More;

# the lines about a process with a sample each second
sub grown {
    my ($kilobytes, $files, $seconds) = @_;
    my $watched = AIGrowth->new(warm => 10);

    $watched->add(7, 1000 + $_, $kilobytes->($_), $files->($_))
        for 0 .. $seconds // 100;
    return $watched->wrong(memory => 500, files => 4);
}

my $flat = sub { 5000 };
my $few = sub { 20 };

is_deeply([grown($flat, $few)], [], 'what stays as it is');
is_deeply([grown(sub { $_[0] < 10 ? 1000 : 9000 }, $few)], [],
          'growth while it gets warm');
is_deeply([grown(sub { $_[0] % 40 == 15 ? 90_000 : 5000 }, $few)], [],
          'a peak now and then');
is_deeply([grown(sub { 5000 + $_[0] * 7 }, $few)], [], 'within the bound');

like((grown(sub { 5000 + $_[0] * 10 }, $few))[0],
     qr/^process 7: memory \+6\d\d KB to 5[89]\d\d KB, files \+0, in 90 s$/,
     'memory that grows');
like((grown($flat, sub { 20 + $_[0] / 10 }))[0], qr/files \+[67], in/,
     'files that stay open');
is_deeply([grown($flat, $few, 29)], ['no process was seen for long enough'],
          'nothing is proved by a short life');

my $self = AIGrowth->new(warm => 0);
$self->look($$);
sleep 1;
$self->look($$, 999_999_999);
my ($mine) = $self->growths;
cmp_ok($mine->{at}, '>', 1000, 'real memory');
is(scalar $self->report, 1, 'and nothing of a process that is not there');

done_testing();
