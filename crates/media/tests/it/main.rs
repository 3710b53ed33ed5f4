//! What only the real tools can show: media against ffmpeg and ffprobe. A missing tool is a failure.
//! What needs no tool is tested beside the code.

#[cfg(test)]
mod flv;
