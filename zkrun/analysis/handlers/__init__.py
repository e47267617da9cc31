"""What each instruction does to the abstract machine: one small function an instruction.

A handler raises Refused for what breaks a rule, and goes on the straight way otherwise.
"""

from typing import Any

from zkrun.analysis.handlers import calls, copies, memory, order, results, views
from zkrun.program import instructions as i

__all__ = ["HANDLERS"]

HANDLERS: dict[type, Any] = {
    i.Allocate: memory.allocate,
    i.Deallocate: memory.deallocate,
    i.RemoveRegister: memory.remove_register,
    i.Transfer: copies.transfer,
    i.FuncCall: calls.func_call,
    i.Wait: order.wait,
    i.Record: order.record,
    i.Fork: order.fork,
    i.Join: order.join,
    i.Rotation: views.rotation,
    i.Slice: views.slice_,
    i.SetSliceMeta: views.set_slice_meta,
    i.LoadConstant: memory.load_constant,
    i.LoadInput: memory.load_input,
    i.AssembleTuple: memory.assemble_tuple,
    i.Blind: copies.blind,
    i.GetScalarFromArray: copies.get_scalar_from_array,
    i.MoveRegister: memory.move_register,
    i.CopyRegister: memory.copy_register,
    i.SliceBuffer: views.slice_buffer,
    i.AssertEq: results.assert_eq,
    i.Print: results.print_,
    i.Return: results.return_,
}
