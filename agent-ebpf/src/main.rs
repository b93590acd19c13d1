//! hark's kernel programs. One file a subject; each program names the prototype in the kernel that it
//! relies on.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
// Every function here runs inside a program that the verifier has proved.
#![allow(clippy::inline_always)]

mod block;
mod budget;
mod capability;
mod crash;
mod dns;
mod emit;
mod failure;
mod file;
mod ignore;
mod kernel;
mod memory;
mod offcpu;
mod oom;
mod own;
mod path;
mod printk;
mod process;
mod reclaim;
mod runqueue;
mod signal;
mod socket;
mod syscall;
mod tcp;
mod trouble;
mod udp;
mod wait;
mod withhold;

/// Some helpers are only for programs under the GPL; the licence of the source stays as it is.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier accepts no program that could come here.
    loop {}
}
