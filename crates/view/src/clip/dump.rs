//! The debug twin of a clip: its slices as text, for `.mp4.txt` and for snapshot tests.

use std::fmt::Write as _;

use super::layout::{Lane, Pattern, What};
use super::planner::ClipPlan;
use super::take::VIDEO;

impl ClipPlan {
    /// The plan and its slice table as text, one slice a line: begin, length, what.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_head(&mut out);
        let _ = self.write_slices(&mut out);
        out
    }

    fn write_head(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "clip {} bytes, etag {}", self.bytes(), self.etag())?;
        writeln!(out, "requested {} .. {} ns", self.requested.start.0, self.requested.end.0)?;
        writeln!(out, "actual    {} .. {} ns, {} ns of media", self.start.0, self.end.0, self.duration_ns)?;
        writeln!(out, "accuracy {}, gaps {}", self.options.accuracy.as_str(), self.options.gaps.as_str())?;
        for span in &self.spans.spans {
            writeln!(out, "run {}: media {} .. {} ns", span.run, span.start.0, span.end.0)?;
        }
        for gap in &self.gaps {
            writeln!(out, "gap {} .. {} ns: {}", gap.start.0, gap.end.0, gap.reason)?;
        }
        for (number, lane) in self.layout.lanes.iter().enumerate() {
            if let Some(lane) = lane {
                write_lane(out, number, lane)?;
            }
        }
        Ok(())
    }

    fn write_slices(&self, out: &mut String) -> std::fmt::Result {
        let mut begin = 0;
        for slice in &self.layout.slices {
            write!(out, "{begin:>12} {:>10} ", slice.end - begin)?;
            match slice.what {
                What::Fixed(_) => writeln!(out, "fixed")?,
                What::Rows(table, lane, extent) => {
                    let kind = String::from_utf8_lossy(table.kind());
                    let no = self.layout.extents[extent as usize].no;
                    writeln!(out, "{kind} {} of extent {no}", lane_name(usize::from(lane)))?;
                }
                What::QuietRows(table, number) => {
                    writeln!(out, "{} of silence {number}", String::from_utf8_lossy(table.kind()))?;
                }
                What::Repeated(Pattern::QuietSize) => writeln!(out, "stsz of silence")?,
                What::Repeated(Pattern::Quiet) => writeln!(out, "silence")?,
                What::Media(extent) => {
                    writeln!(out, "media of extent {}", self.layout.extents[extent as usize].no)?
                }
            }
            begin = slice.end;
        }
        Ok(())
    }
}

fn lane_name(number: usize) -> &'static str {
    if number == VIDEO { "video" } else { "audio" }
}

fn write_lane(out: &mut String, number: usize, lane: &Lane) -> std::fmt::Result {
    let edit = lane.edit;
    writeln!(
        out,
        "{}: {} {}, {} samples, {} bytes, {} squeezed, edit at {} for {} after {} empty{}",
        lane_name(number),
        lane.config.codec.name(),
        lane.config.timescale.hz(),
        lane.samples,
        lane.bytes,
        lane.squeezed,
        edit.media_time,
        edit.duration,
        edit.empty,
        if lane.in_band() { ", parameter sets in band" } else { "" },
    )
}
