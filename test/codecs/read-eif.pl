# A second reader of AWS Nitro EIF, by the format's description (aws-nitro-enclaves-image-format, src/defs) and nothing of hal's:
# header, section table, sections that follow each other, checksum, PCR 0, 1 and 2. Prints one fact a line; dies at what is wrong.
use strict;
use warnings;
use Compress::Raw::Zlib qw(crc32);
use Digest::SHA qw(sha384 sha384_hex);

local $/;
open my $file, '<:raw', $ARGV[0] or die "$ARGV[0]: $!";
my $eif = <$file>;
my ($magic, $version, $flags, $memory, $cpus, undef, $count) = unpack 'a4 n n Q> Q> n n', $eif;
die 'magic' unless $magic eq '.eif';
my @offsets = unpack 'x28 (Q>)32', $eif;
my @sizes = unpack 'x284 (Q>)32', $eif;
my ($unused, $crc) = unpack 'x540 N N', $eif;
my $found = crc32(substr($eif, 548), crc32(substr($eif, 0, 544)));
die sprintf 'checksum %08x, computed %08x', $crc, $found unless $crc == $found;
die 'entries behind the last' if $unused || grep { $_ } @offsets[$count .. 31], @sizes[$count .. 31];
print "version $version flags $flags memory $memory cpus $cpus\n";

my @names = (undef, qw(kernel cmdline ramdisk signature metadata));
my (%parts, $end);
$end = 548;
for my $i (0 .. $count - 1) {
  my ($type, $section_flags, $size) = unpack "x$offsets[$i] n n Q>", $eif;
  die "section $i" unless $offsets[$i] == $end && $size == $sizes[$i] && $section_flags == 0;
  push @{ $parts{ $names[$type] } }, substr $eif, $end + 12, $size;
  print "section $names[$type] $size\n";
  $end += 12 + $size;
}
die 'end' unless $end == length $eif;

my ($kernel, $cmdline, @ramdisks) = ($parts{kernel}[0], $parts{cmdline}[0], @{ $parts{ramdisk} });
sub register { return sha384_hex(("\0" x 48) . sha384(join '', @_)) }
printf "pcr0 %s\n", register($kernel, $cmdline, @ramdisks);
printf "pcr1 %s\n", register($kernel, $cmdline, $ramdisks[0]);
printf "pcr2 %s\n", register(@ramdisks[1 .. $#ramdisks]);
