//! Decompresses every file below a folder, on so many threads, and prints the seconds that it took:
//! `inflate libdeflate|flate2 THREADS FOLDER`.

use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let how = arguments.next().ok_or("libdeflate or flate2")?;
    let threads: usize = arguments.next().ok_or("how many threads")?.parse()?;
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(arguments.next().ok_or("a folder")?)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut plain = Vec::new();
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Ok(packed) = std::fs::read(file) else { continue };
                    let length = inflate(&how, &packed, &mut plain);
                    bytes.fetch_add(length as u64, Ordering::Relaxed);
                }
            });
        }
    });
    println!("{} {}", begun.elapsed().as_secs_f64(), bytes.into_inner());
    Ok(())
}

fn inflate(how: &str, packed: &[u8], plain: &mut Vec<u8>) -> usize {
    if how == "flate2" {
        plain.clear();
        return flate2::read::MultiGzDecoder::new(packed).read_to_end(plain).unwrap_or(0);
    }
    let size = packed.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size)) as usize;
    if plain.len() < size {
        plain.resize(size, 0);
    }
    let mut decompressor = libdeflater::Decompressor::new();
    decompressor.gzip_decompress(packed, &mut plain[..size]).unwrap_or(0)
}
